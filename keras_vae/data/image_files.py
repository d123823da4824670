"""Reads image files with Pillow: 8-bit grey levels or RGB, nothing else."""

import pathlib
import warnings
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps

from keras_vae.errors import UserError
from keras_vae.local_files import check_local

__all__ = [
    "SUFFIXES",
    "ImageFile",
    "find_image_files",
    "inspect_image",
    "read_image",
]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")

_GREY_MODES = ("1", "L", "LA")
_COLOUR_MODES = ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr", "HSV", "LAB")
_ORIENTATION_TAG = 0x0112
_TURNED = (2, 3, 4, 5, 6, 7, 8)
_SIDEWAYS = (5, 6, 7, 8)
# Where a PNG says how many bits a channel has: Pillow reduces 16-bit colour
# to 8 bits without saying so.
_PNG_BIT_DEPTH_OFFSET = 24
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# What Pillow raises for files that are broken, cut off or no images.
_READ_ERRORS = (OSError, SyntaxError, ValueError, EOFError)


class ImageFile:
    """What the header of an image file says.

    Attributes:
        path: The file.
        height: In pixels, as shown: turned as its EXIF orientation says.
        width: In pixels, as shown.
        is_grey: Whether it has one channel, transparency aside.
    """

    __slots__ = ("height", "is_grey", "path", "width")

    def __init__(
        self, path: pathlib.Path, height: int, width: int, is_grey: bool
    ):
        self.path = path
        self.height = height
        self.width = width
        self.is_grey = is_grey


def find_image_files(inputs: Sequence[str]) -> list[pathlib.Path]:
    """Returns the image files that are named, and those in named folders.

    Args:
        inputs: Files and folders; of a folder all files with one of
            `SUFFIXES`, sorted, those in folders below it too.

    Raises:
        UserError: If there are none, or one does not exist.
    """
    paths: list[pathlib.Path] = []
    for name in inputs:
        path = check_local("an image", name)
        if path.is_dir():
            paths += sorted(
                p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES
            )
        elif path.is_file():
            paths.append(path)
        else:
            raise UserError(f"There is no such file. Received: {name}")
    if not paths:
        raise UserError(
            "No image files: name PNG or JPEG files, or folders of them. "
            f"Received: {' '.join(inputs) or 'nothing'}"
        )
    return paths


def inspect_image(path: pathlib.Path) -> ImageFile:
    """Reads the header of an image file.

    Args:
        path: The file.

    Raises:
        UserError: When it is no image, is too large to be one in earnest, or
            has more than 8 bits a channel.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_PNG_BIT_DEPTH_OFFSET + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                width, height = image.size
                mode = image.mode
                sideways = _orientation(image) in _SIDEWAYS
    except (
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise _too_large(path) from error
    except _READ_ERRORS as error:
        raise _unreadable(path, error) from error
    deep_png = start.startswith(_PNG_SIGNATURE) and start[-1] == 16
    if deep_png or mode not in _GREY_MODES + _COLOUR_MODES:
        raise UserError(
            "The image has more than 8 bits a channel; "
            f"convert it to 8 bits. Received: {path}"
        )
    if sideways:
        height, width = width, height
    return ImageFile(path, height, width, mode in _GREY_MODES)


def read_image(path: pathlib.Path, channels: int) -> np.ndarray:
    """Decodes an image file.

    Transparent parts are laid on white. Of an animation the first frame is
    taken. A JPEG file is turned as its EXIF orientation says.

    Args:
        path: The file.
        channels: 1 for grey levels, 3 for RGB.

    Returns:
        image: uint8 [height, width, channels].

    Raises:
        UserError: When the file is broken or cut off.
    """
    try:
        with Image.open(path) as file:
            image = file.copy()
            if _orientation(file) in _TURNED:
                image = ImageOps.exif_transpose(file)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
        image = image.convert("L" if channels == 1 else "RGB")
        levels = np.asarray(image, np.uint8)
    except _READ_ERRORS as error:
        raise _unreadable(path, error) from error
    return levels.reshape(*levels.shape[:2], channels)


def _orientation(image: Image.Image) -> int:
    # Of JPEG files alone: for a PNG, Pillow would decode the whole image to
    # look for it.
    if image.format != "JPEG":
        return 1
    return image.getexif().get(_ORIENTATION_TAG, 1)


def _unreadable(path: pathlib.Path, error: BaseException) -> UserError:
    return UserError(
        f"The file cannot be read as an image ({error}); mend or remove it. "
        f"Received: {path}"
    )


def _too_large(path: pathlib.Path) -> UserError:
    return UserError(
        f"The image has more than {Image.MAX_IMAGE_PIXELS:,} pixels; make it "
        f"smaller or remove it. Received: {path}"
    )
