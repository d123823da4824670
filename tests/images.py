"""Image files that tests compare with what was made of them."""

import pathlib

import numpy as np
import PIL.Image

__all__ = ["read_images"]


def read_images(folder: pathlib.Path) -> tuple[list[pathlib.Path], np.ndarray]:
    """Returns the grey files of a folder, and them as float32 in [0, 1]."""
    files = sorted(folder.iterdir())
    levels = np.stack([np.asarray(PIL.Image.open(file)) for file in files])
    return files, levels[..., np.newaxis].astype(np.float32) / 255
