"""Masks that are drawn by hand, as image files."""

import os

import numpy as np

from keras_vae.data import inspect_image, read_image
from keras_vae.errors import UserError
from keras_vae.io.local_files import check_local

__all__ = ["read_mask"]

# A pixel of a mask file from this level on is white.
_WHITE = 128


def read_mask(
    path: str | os.PathLike[str], height: int, width: int
) -> np.ndarray:
    """Reads which positions are missing from an image file.

    Args:
        path: An image file. White, level 128 or more, is missing, as in
            programs that repair photographs; black is observed.
        height: Of the model's images.
        width: Of the model's images.

    Returns:
        missing: float32 `[height, width]`, 1 where missing.

    Raises:
        UserError: If it cannot be read, has another size, or says that nothing
            is missing.
    """
    path = check_local("mask", path)
    if not path.exists():
        raise UserError(f"There is no such mask file. Received: {path}")
    file = inspect_image(path)
    if (file.height, file.width) != (height, width):
        raise UserError(
            f"A mask must have the size of the model's images, {height}x{width}"
            f" (height x width). Received: {file.height}x{file.width} in {path}"
        )
    missing = (read_image(path, 1)[..., 0] >= _WHITE).astype(np.float32)
    if not missing.any():
        raise UserError(
            "The mask has no white pixel, so nothing is missing: white is what "
            f"is to be drawn. Received: {path}"
        )
    return missing
