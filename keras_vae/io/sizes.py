"""What an output would need, said before it is computed."""

import math
import os
import pathlib
import shutil

import psutil

from keras_vae.errors import UserError

__all__ = ["FILE_BYTES", "check_disk", "check_memory", "check_picture"]

# A file takes a block of the disk at least.
FILE_BYTES = 4096
# Of all images of one picture together: it is made in memory.
_MAX_PICTURE_PIXELS = 2**24
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def check_disk(
    path: str | os.PathLike[str], num_bytes: int, what: str, received: str
) -> None:
    """Raises UserError if a disk has no room for what will be written.

    Args:
        path: The file or folder to write; it need not exist.
        num_bytes: How much will be written.
        what: The images, for the message: "10 images".
        received: The argument to blame: "num_images=10".
    """
    folder = pathlib.Path(path).absolute()
    while not folder.is_dir():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if num_bytes > free:
        raise UserError(
            f"{what} need {_readable(num_bytes)} of disk at least, and "
            f"{_readable(free)} are free in {folder}: ask for fewer, or name "
            f"an output on another disk. Received: {received}"
        )


def check_memory(num_bytes: int, what: str, received: str) -> None:
    """Raises UserError if there is no memory for what will be computed.

    Args:
        num_bytes: How much memory it takes.
        what: The images, for the message: "10 images".
        received: The argument to blame: "num_images=10".
    """
    free = psutil.virtual_memory().available
    if num_bytes > free:
        raise UserError(
            f"{what} need about {_readable(num_bytes)} of memory, and "
            f"{_readable(free)} are available: ask for fewer. "
            f"Received: {received}"
        )


def check_picture(
    num_images: int,
    image_shape: tuple[int, ...],
    received: str,
    advice: str = "ask for fewer",
) -> None:
    """Raises UserError if images are too many for one picture.

    Args:
        num_images: In the picture.
        image_shape: (height, width, channels).
        received: The argument to blame: "num_images=10".
        advice: What to do about it.
    """
    pixels = num_images * math.prod(image_shape[:2])
    if pixels > _MAX_PICTURE_PIXELS:
        raise UserError(
            f"{num_images:,} images are too many for one picture: they have "
            f"{pixels / 1e6:,.0f} million pixels, and at most "
            f"{_MAX_PICTURE_PIXELS / 1e6:.0f} fit; {advice}. "
            f"Received: {received}"
        )


def _readable(num_bytes: int) -> str:
    power = 0
    while num_bytes >= 1000 ** (power + 1) and power < len(_UNITS) - 1:
        power += 1
    return f"{num_bytes / 1000**power:.3g} {_UNITS[power]}"
