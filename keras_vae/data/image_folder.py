"""A folder of PNG, JPEG, BMP or GIF files as a dataset.

```
data_dir/*.png                    no labels
data_dir/CLASS/**/*.png           each folder is a class
data_dir/train/...                splits of their own; validation/ and test/
data_dir/validation/...           are cut from train/ where they are missing
data_dir/test/...
```
"""

import os
import pathlib
from collections.abc import Sequence

import numpy as np

from keras_vae.data.config import DataConfig
from keras_vae.data.contents import Contents, file_digests
from keras_vae.data.file_split import FileSplit
from keras_vae.data.image_dataset import ImageDataset, Split
from keras_vae.data.image_files import (
    SUFFIXES,
    ImageFile,
    inspect_image,
    read_image,
)
from keras_vae.data.splitting import keep_splits, plan_splits
from keras_vae.data.transforms import final_shape, make_transform
from keras_vae.errors import UserError

__all__ = ["open_image_folder"]

_SPLITS = ("train", "validation", "test")
# The source's name where the folder is not divided into splits.
_WHOLE = "images"


def open_image_folder(
    config: DataConfig, recorded: Contents | None = None
) -> ImageDataset:
    """Opens a folder of images.

    The header of every file is read, so that a file that does not fit is
    found now and not in the middle of training. Where all files are grey the
    images have one channel, else three.

    Args:
        config: Gives the folder in `data_dir`, and how to split and resize.
        recorded: What the folder was when its splits were cut; files keep
            theirs. None: they are cut now.

    Returns:
        dataset: Its images are decoded as they are needed.

    Raises:
        UserError: When the folder is missing or empty, a file is unreadable,
            or the sizes differ and `config.resize` is None.
    """
    root = pathlib.Path(str(config.data_dir)).expanduser()
    if not root.is_dir():
        raise UserError(
            "data_dir must be a folder of images. "
            f"Received: data_dir={config.data_dir!r}"
        )
    folders = _split_folders(root)
    paths = {name: _find_images(folder) for name, folder in folders.items()}
    class_names, classes = _classes(paths, folders)
    files = {
        name: [inspect_image(path) for path in found]
        for name, found in paths.items()
    }
    every_file = [file for found in files.values() for file in found]
    image_shape = final_shape(_common_shape(every_file, config), config)

    names = {
        source: [path.relative_to(root).as_posix() for path in found]
        for source, found in paths.items()
    }
    digests = file_digests(root, [n for some in names.values() for n in some])
    sizes = {name: len(found) for name, found in files.items()}
    plan = plan_splits(sizes, config)
    if recorded is not None and recorded.splits:
        plan = keep_splits(plan, names, digests, recorded, config.seed)
    splits: dict[str, Split] = {}
    split_of = {}
    for name, (source, positions) in plan.items():
        splits[name] = _split(
            [files[source][i].path for i in positions],
            classes[source][positions] if class_names else None,
            image_shape,
            config,
        )
        split_of.update({names[source][i]: name for i in positions})
    return ImageDataset(
        config.dataset,
        image_shape,
        class_names,
        splits,
        Contents(digests, split_of),
    )


def _split_folders(root: pathlib.Path) -> dict[str, pathlib.Path]:
    present = [name for name in _SPLITS if (root / name).is_dir()]
    if not present:
        return {_WHOLE: root}
    if "train" not in present:
        raise UserError(
            f"data_dir has a folder {present[0]!r} but none named 'train'; "
            "add one, or rename it if it is a class. "
            f"Received: data_dir={str(root)!r}"
        )
    return {name: root / name for name in present}


def _find_images(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the image files under a folder, sorted by their path."""
    found = []
    for parent, _, names in os.walk(folder, followlinks=True):
        for name in names:
            hidden = name.startswith(".")
            if name.lower().endswith(SUFFIXES) and not hidden:
                found.append(pathlib.Path(parent, name))
    if not found:
        raise UserError(
            f"data_dir holds no images ({', '.join(SUFFIXES)}). "
            f"Received: {folder}"
        )
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _classes(
    paths: dict[str, list[pathlib.Path]], folders: dict[str, pathlib.Path]
) -> tuple[list[str] | None, dict[str, np.ndarray]]:
    """Returns the class names, if any, and the class of each image."""
    names: dict[str, list[str | None]] = {}
    for split, found in paths.items():
        parts = [path.relative_to(folders[split]).parts for path in found]
        names[split] = [part[0] if len(part) > 1 else None for part in parts]
    used = {name for split in names.values() for name in split}
    class_names = sorted(name for name in used if name is not None)
    if not class_names:
        return None, {}
    if None in used:
        loose = next(
            path
            for split, found in paths.items()
            for path, name in zip(found, names[split], strict=True)
            if name is None
        )
        raise UserError(
            "data_dir must hold either images or class folders, not both; "
            f"move the loose images into a class folder. Received: {loose}"
        )
    number: dict[str | None, int] = {
        name: i for i, name in enumerate(class_names)
    }
    return class_names, {
        split: np.array([number[name] for name in found], np.int64)
        for split, found in names.items()
    }


def _common_shape(
    files: Sequence[ImageFile], config: DataConfig
) -> tuple[int, int, int]:
    first = files[0]
    if config.resize is None:
        for file in files:
            if (file.height, file.width) != (first.height, first.width):
                raise UserError(
                    "data_dir holds images of several sizes; give all the "
                    "same with --resize=H,W. Received: "
                    f"{first.path} of {first.height}x{first.width} and "
                    f"{file.path} of {file.height}x{file.width} pixels "
                    "(height x width)"
                )
    channels = 1 if all(file.is_grey for file in files) else 3
    return first.height, first.width, channels


def _split(
    paths: Sequence[pathlib.Path],
    labels: np.ndarray | None,
    image_shape: tuple[int, int, int],
    config: DataConfig,
) -> FileSplit:
    return FileSplit(
        lambda position: read_image(paths[position], image_shape[-1]),
        make_transform(image_shape, config),
        labels,
        len(paths),
        image_shape,
    )
