"""A folder of image files as a dataset.

```
data_dir/*.png                    no labels
data_dir/CLASS/**/*.png           each folder is a class
data_dir/train/...                splits of their own; validation/ and test/
data_dir/validation/...           are cut from train/ where they are missing
data_dir/test/...
```

A split may have another of its usual names, `val` or `Test`.
"""

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from keras_vae.config.data_config import DataConfig
from keras_vae.data.contents import Contents, file_digests
from keras_vae.data.file_split import FileSplit
from keras_vae.data.image_dataset import ImageDataset, Split
from keras_vae.data.image_files import (
    ImageFile,
    inspect_image,
    note_first_frames,
    read_image,
)
from keras_vae.data.image_finder import SUFFIXES, FoundImages, find_images
from keras_vae.data.splitting import keep_splits, plan_splits
from keras_vae.data.transforms import final_shape, make_transform
from keras_vae.errors import UserError, printable
from keras_vae.folder_names import SPLIT_NAMES
from keras_vae.notes import counted, first_names, note

__all__ = ["open_image_folder"]

# The source's name where the folder is not divided into splits.
_WHOLE = "images"


def open_image_folder(
    config: DataConfig, recorded: Contents | None = None
) -> ImageDataset:
    """Opens a folder of images.

    The header of every file is read, so that a file that does not fit is
    found now and not in the middle of training. Where all files are grey the
    images have one channel, else three. What is passed over, animations and
    classes without images are said on standard error; where the images are
    those that are recorded, only how much is passed over.

    Args:
        config: Gives the folder in `data_dir`, and how to split and resize.
        recorded: What the folder was when its splits were cut; files keep
            theirs. None: they are cut now.

    Returns:
        dataset: Its images are decoded as they are needed.

    Raises:
        UserError: When the folder is missing or empty, what its folders stand
            for is not clear, a file is unreadable, or the sizes differ and
            `config.resize` is None.
    """
    root = pathlib.Path(str(config.data_dir)).expanduser()
    if not root.is_dir():
        raise UserError(
            "data_dir must be a folder of images. "
            f"Received: data_dir={config.data_dir!r}"
        )
    found = find_images(root)
    found.note_passed_over(in_full=recorded is None)
    names = _names_by_split(found)
    class_names, classes = _classes(names, root)
    files = {
        split: [inspect_image(root / name) for name in some]
        for split, some in names.items()
    }
    every_file = [file for some in files.values() for file in some]
    image_shape = final_shape(_common_shape(every_file, config), config)

    digests = file_digests(root, [n for some in names.values() for n in some])
    if recorded is None or recorded.digests != digests:
        _note_missing_classes(classes, class_names or [])
        note_first_frames(every_file)
    sizes = {name: len(some) for name, some in files.items()}
    plan = plan_splits(sizes, config)
    if recorded is not None and recorded.splits:
        plan = keep_splits(plan, names, digests, recorded, config.seed)
    splits: dict[str, Split] = {}
    split_of = {}
    for name, (source, positions) in plan.items():
        splits[name] = _split(
            [root / names[source][i] for i in positions],
            classes[source][positions] if class_names else None,
            image_shape,
            config,
        )
        split_of.update({names[source][i]: name for i in positions})
    if recorded is None or recorded.digests != digests:
        _note_copies(split_of, digests)
    return ImageDataset(
        config.dataset,
        image_shape,
        class_names,
        splits,
        Contents(digests, split_of),
    )


def _names_by_split(found: FoundImages) -> dict[str, list[str]]:
    """Returns the files of each split, each by its path from `root` on."""
    root = found.folder
    folders = _split_folders(root)
    names: dict[str, list[str]] = {_WHOLE: found.names}
    if folders:
        names = {
            split: [name for name in found.names if _top(name) == folder]
            for split, folder in folders.items()
        }
        _check_siblings(found, folders)
    else:
        _check_deeper_splits(found)
    for split, some in names.items():
        if not some:
            raise UserError(
                f"data_dir holds no images ({', '.join(SUFFIXES)}). "
                f"Received: {printable(root / folders.get(split, ''))}"
            )
    return names


def _split_folders(root: pathlib.Path) -> dict[str, str]:
    """Returns the folder of each split that has one."""
    folders: dict[str, str] = {}
    for name in sorted(path.name for path in root.iterdir() if path.is_dir()):
        split = SPLIT_NAMES.get(name.lower())
        if split is None:
            continue
        if split in folders:
            raise UserError(
                f"data_dir has two folders for the {split} images, "
                f"{folders[split]!r} and {name!r}: remove one, or rename it "
                f"if it is a class. Received: data_dir={str(root)!r}"
            )
        folders[split] = name
    if folders and "train" not in folders:
        raise UserError(
            f"data_dir has a folder {next(iter(folders.values()))!r} but none "
            "named 'train'; add one, or rename it if it is a class. "
            f"Received: data_dir={str(root)!r}"
        )
    return folders


def _check_siblings(found: FoundImages, folders: dict[str, str]) -> None:
    """Raises UserError where images lie beside the folders of the splits."""
    tops = {_top(name) for name in found.names} - set(folders.values())
    if tops:
        raise UserError(
            f"data_dir has a folder {folders['train']!r} of training images, "
            f"and images beside it in {first_names(sorted(tops))}: rename "
            f"{folders['train']!r} if it is a class, else move the others "
            f"away. Received: data_dir={str(found.folder)!r}"
        )


def _check_deeper_splits(found: FoundImages) -> None:
    """Raises UserError where a class would mix training and test images."""
    for name in found.names:
        parts = name.split("/")
        split = SPLIT_NAMES.get(parts[1].lower()) if len(parts) > 2 else None
        if split == "train":
            raise UserError(
                "data_dir has a folder named as training images within a "
                f"folder that would be a class: name {parts[0]!r} itself as "
                f"data_dir, or rename {parts[1]!r}. Received: "
                f"{printable(found.folder / parts[0] / parts[1])}"
            )


def _top(name: str) -> str:
    """Returns the first folder of a path; of a file in none, its name."""
    return name.split("/")[0]


def _classes(
    names: dict[str, list[str]], root: pathlib.Path
) -> tuple[list[str] | None, dict[str, np.ndarray]]:
    """Returns the class names, if any, and the class of each image."""
    depth = 0 if _WHOLE in names else 1
    found: dict[str, list[str | None]] = {}
    for split, some in names.items():
        parts = [name.split("/")[depth:] for name in some]
        found[split] = [part[0] if len(part) > 1 else None for part in parts]
    used = {name for split in found.values() for name in split}
    class_names = sorted(name for name in used if name is not None)
    if not class_names:
        return None, {}
    if None in used:
        loose = next(
            root / name
            for split, some in names.items()
            for name, label in zip(some, found[split], strict=True)
            if label is None
        )
        raise UserError(
            "data_dir must hold either images or class folders, not both, "
            "and the same in each of its splits; move the loose images into a "
            f"class folder. Received: {printable(loose)}, and the class "
            f"{class_names[0]!r}"
        )
    _check_class_names(class_names)
    number: dict[str | None, int] = {
        name: i for i, name in enumerate(class_names)
    }
    return class_names, {
        split: np.array([number[name] for name in labels], np.int64)
        for split, labels in found.items()
    }


def _check_class_names(class_names: Sequence[str]) -> None:
    """Raises UserError for a name that no file or terminal could show."""
    for name in class_names:
        if not name.isprintable():
            raise UserError(
                "A class is named after its folder, whose name must be text "
                f"of one line: rename it. Received: {printable(name)}"
            )


def _note_missing_classes(
    classes: dict[str, np.ndarray], class_names: Sequence[str]
) -> None:
    for split, numbers in classes.items():
        present = set(numbers.tolist())
        missing = [n for i, n in enumerate(class_names) if i not in present]
        if missing:
            verb = "has" if len(missing) == 1 else "have"
            note(
                f"{len(missing):,} of {len(class_names):,} classes {verb} "
                f"no {split} images: {first_names(missing)}"
            )


def _note_copies(
    split_of: Mapping[str, str], digests: Mapping[str, str]
) -> None:
    """Says which files to train on are also in another split."""
    trained = {digests[n] for n, split in split_of.items() if split == "train"}
    copies = [
        name
        for name, split in split_of.items()
        if split != "train" and digests[name] in trained
    ]
    if copies:
        verb = "equals" if len(copies) == 1 else "equal"
        note(
            f"{counted(len(copies), 'image')} for validation or testing {verb} "
            "one to train on, so that figures are too good: "
            f"{first_names(copies)}"
        )


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
                    f"{_size(first)} and {_size(file)} pixels "
                    "(height x width)"
                )
    channels = 1 if all(file.is_grey for file in files) else 3
    return first.height, first.width, channels


def _size(file: ImageFile) -> str:
    return f"{printable(str(file.path))} of {file.height}x{file.width}"


def _split(
    paths: Sequence[pathlib.Path],
    labels: np.ndarray | None,
    image_shape: tuple[int, int, int],
    config: DataConfig,
) -> FileSplit:
    return FileSplit(
        lambda position: read_image(paths[position], image_shape[-1]),
        make_transform(image_shape, config.resize, config.pad),
        labels,
        len(paths),
        image_shape,
    )
