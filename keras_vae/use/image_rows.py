"""Images that a verb asks about, read as they are needed."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from keras_vae.data import (
    ImageFile,
    find_image_files,
    inspect_images,
    read_image,
)
from keras_vae.data.transforms import make_transform
from keras_vae.errors import UserError, printable
from keras_vae.labels import Label
from keras_vae.use.row_classes import classes_of_files
from keras_vae.use.target import Target

__all__ = ["ImageRows", "check_file_size", "fitted", "rows_of_files"]


@dataclasses.dataclass(frozen=True)
class ImageRows:
    """Images, in batches of any size.

    Attributes:
        names: Of each image.
        read: (start, stop) -> those images, float32 `[stop - start, H, W, C]`
            in [0, 1].
        labels: int32 `[num]`, or None where they are not known.
        class_names: Name of each label, or None where they are not known.
        are_files: Whether the names are paths.
    """

    names: list[str]
    read: Callable[[int, int], np.ndarray]
    labels: np.ndarray | None = None
    class_names: Sequence[str] | None = None
    are_files: bool = False

    def __len__(self) -> int:
        return len(self.names)

    def batches(
        self, target: Target, verb: str
    ) -> Iterator[dict[str, np.ndarray]]:
        """Yields the images, and their classes, as a verb asks a target."""
        step = target.rows_per_request(verb)
        labels = self.labels if target.is_conditional else None
        for start in range(0, len(self), step):
            stop = min(start + step, len(self))
            batch = {"image": self.read(start, stop)}
            if labels is not None:
                batch["label"] = labels[start:stop]
            yield batch


def rows_of_files(
    target: Target, inputs: Sequence[str], label: Label | None
) -> ImageRows:
    """Returns the images of files and folders, as they are.

    Those of another size are resized and padded as those of the training were,
    where the target tells how. The header of each is read, so that one that
    does not fit is found before anything is asked.

    Raises:
        UserError: If there is no image, one is none, or one has another size.
    """
    paths = find_image_files(inputs)
    files = inspect_images(paths)
    for file in files:
        check_file_size(file, target)

    def read(start: int, stop: int) -> np.ndarray:
        levels = [fitted(file, target) for file in files[start:stop]]
        return np.stack(levels).astype(np.float32) / 255.0

    labels = classes_of_files(target, label, paths)
    names = [str(path) for path in paths]
    class_names = target.class_names or None
    return ImageRows(names, read, labels, class_names, are_files=True)


def check_file_size(file: ImageFile, target: Target) -> None:
    """Raises UserError if a file cannot get the size of a model's images."""
    size, expected = (file.height, file.width), target.image_shape[:2]
    pad = 2 * target.pad
    original = (expected[0] - pad, expected[1] - pad)
    if target.resize is None and size not in (expected, original):
        raise UserError(
            f"The model takes images of {original[0]}x{original[1]} pixels "
            "(height x width): resize the file. Received: "
            f"{file.height}x{file.width} in {printable(str(file.path))}"
        )


def fitted(file: ImageFile, target: Target) -> np.ndarray:
    """Reads a file, uint8 `image_shape`, resized and padded as in training.

    One that has the model's size already is taken as it is.
    """
    assert file.path is not None
    shape = target.image_shape
    levels = read_image(pathlib.Path(file.path), shape[-1])
    if (file.height, file.width) == shape[:2]:
        return levels
    return make_transform(shape, target.resize, target.pad)(levels).numpy()
