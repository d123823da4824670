"""Image files as the rows that a model takes."""

import pathlib
from collections.abc import Sequence

import numpy as np

from keras_vae.data import find_image_files, inspect_images, read_image
from keras_vae.errors import UserError, printable

__all__ = ["find_images", "load_images", "read_images"]


def find_images(
    inputs: Sequence[str], image_shape: tuple[int, int, int]
) -> list[pathlib.Path]:
    """Returns the image files that are named, and those in named folders.

    The header of each is read, so that one that does not fit is found before
    anything is asked.

    Args:
        inputs: Files and folders.
        image_shape: What each image must be, (height, width, channels).

    Raises:
        UserError: If there is no image, one is none, or one has another size.
    """
    paths = find_image_files(inputs)
    for file in inspect_images(paths):
        if (file.height, file.width) != image_shape[:2]:
            raise UserError(
                f"The model takes images of {image_shape[0]}x{image_shape[1]} "
                "pixels (height x width): resize the file. Received: "
                f"{file.height}x{file.width} in {printable(str(file.path))}"
            )
    return paths


def load_images(paths: Sequence[pathlib.Path], channels: int) -> np.ndarray:
    """Returns files as float32 `[num, height, width, channels]` in [0, 1].

    Args:
        paths: Files of one size.
        channels: 1 for grey levels, 3 for RGB.

    Raises:
        UserError: If a file is broken or cut off.
    """
    images = [read_image(path, channels) for path in paths]
    return np.stack(images).astype(np.float32) / 255.0


def read_images(
    inputs: Sequence[str], image_shape: tuple[int, int, int]
) -> tuple[list[pathlib.Path], np.ndarray]:
    """Reads image files, and the image files in folders, into memory.

    Args:
        inputs, image_shape: As for `find_images`.

    Returns:
        The paths, and the images as of `load_images`.

    Raises:
        UserError: As `find_images` and `load_images`.
    """
    paths = find_images(inputs, image_shape)
    return paths, load_images(paths, image_shape[-1])
