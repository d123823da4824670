"""Reads image files with Pillow: 8-bit grey levels or RGB, nothing else.

PNG, JPEG, WebP, TIFF, BMP and GIF files are opened, whatever their names, and
no others: some of the formats that Pillow knows run programs. What
`keras_vae.serving.image_bytes` does to PNG and JPEG files in a TensorFlow
graph gives the same pixels.
"""

import contextlib
import io
import pathlib
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from keras_vae.data.png_chunks import check_colours
from keras_vae.errors import UserError, printable
from keras_vae.notes import counted, first_names, note

__all__ = [
    "ImageFile",
    "inspect_image",
    "inspect_images",
    "note_first_frames",
    "open_image_file",
    "read_image",
]

_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
_GREY_MODES = ("1", "L", "LA", "La")
_COLOUR_MODES = ("RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "CMYK", "YCbCr")
_DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_ORIENTATION_TAG = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)
# Where a PNG says how many bits a channel has: Pillow reduces 16-bit colour
# to 8 bits without saying so.
_PNG_BIT_DEPTH_OFFSET = 24
_TIFF_BITS_PER_SAMPLE = 258
_TIFF_SAMPLE_FORMAT = 339
_TIFF_UNSIGNED = 1

# What Pillow's readers raise for files that are broken, cut off or no images.
_READ_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
# `warnings.catch_warnings` is for one thread at a time.
_WARNINGS = threading.Lock()


class ImageFile:
    """What the header of an image file says.

    Attributes:
        path: The file; None where its content was given.
        format: `"PNG"`, `"JPEG"`, `"WEBP"`, `"TIFF"`, `"BMP"` or `"GIF"`.
        height: In pixels, as shown: turned as its EXIF orientation says.
        width: In pixels, as shown.
        is_grey: Whether it has one channel, transparency aside.
        has_more_frames: Whether it is an animation, or has several pages.
    """

    __slots__ = (
        "format",
        "has_more_frames",
        "height",
        "is_grey",
        "path",
        "width",
    )

    def __init__(
        self,
        path: pathlib.Path | None,
        format: str,
        height: int,
        width: int,
        is_grey: bool,
        has_more_frames: bool,
    ):
        self.path = path
        self.format = format
        self.height = height
        self.width = width
        self.is_grey = is_grey
        self.has_more_frames = has_more_frames


def inspect_images(paths: Sequence[pathlib.Path]) -> list[ImageFile]:
    """Reads the headers of image files, as `note_first_frames` says.

    Raises:
        UserError: As `inspect_image`.
    """
    files = [inspect_image(path) for path in paths]
    note_first_frames(files)
    return files


def note_first_frames(files: Sequence[ImageFile]) -> None:
    """Says in a line on standard error of which files only a part is read.

    Of an animation, or a file with several pages, it is the first image.
    """
    longer = [str(file.path) for file in files if file.has_more_frames]
    if longer:
        what = counted(
            len(longer),
            "file is an animation or has several pages",
            "files are animations or have several pages",
        )
        note(f"{what}, of which the first is read: {first_names(longer)}")


def inspect_image(file: pathlib.Path | bytes) -> ImageFile:
    """Reads the header of an image file.

    Args:
        file: Its path, or its content.

    Raises:
        UserError: When it is no image, is too large to be one in earnest, or
            has more than 8 bits a channel.
    """
    with _opened(file) as (image, orientation):
        width, height = image.size
        if orientation in _SIDEWAYS:
            height, width = width, height
        # Pillow's name of a JPEG file with further pictures in it.
        is_jpeg = image.format in ("JPEG", "MPO")
        return ImageFile(
            None if isinstance(file, bytes) else file,
            "JPEG" if is_jpeg else str(image.format),
            height,
            width,
            image.mode in _GREY_MODES,
            # The further pictures of a JPEG file are previews and the like.
            not is_jpeg and getattr(image, "is_animated", False),
        )


def read_image(file: pathlib.Path | bytes, channels: int) -> np.ndarray:
    """Decodes an image file.

    Transparent parts are laid on white. Of an animation the first frame is
    taken, of several pages the first. The image is turned as its EXIF
    orientation says. Colour profiles are of no effect.

    Args:
        file: Its path, or its content.
        channels: 1 for grey levels, 3 for RGB.

    Returns:
        image: uint8 [height, width, channels].

    Raises:
        UserError: When the file is broken or cut off, or as `inspect_image`.
    """
    with _opened(file) as (image, orientation):
        image.load()
        if orientation in _TURNS:
            image = image.transpose(_TURNS[orientation])
        if image.has_transparency_data:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
        if image.mode == "CMYK":
            image = _to_rgb(image)
        image = image.convert("L" if channels == 1 else "RGB")
        levels = np.asarray(image, np.uint8)
    return levels.reshape(*levels.shape[:2], channels)


@contextlib.contextmanager
def _opened(
    file: pathlib.Path | bytes,
) -> Iterator[tuple[Image.Image, int]]:
    """Yields a checked image, not yet decoded, and its EXIF orientation.

    Raises:
        UserError: In place of what Pillow raises, in the body too.
    """
    name = "its bytes" if isinstance(file, bytes) else printable(file)
    try:
        with open_image_file(file) as stream:
            with _WARNINGS, warnings.catch_warnings():
                # Broken metadata is no reason for a line of Pillow's.
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                image = Image.open(stream, formats=_FORMATS)
                orientation = _orientation(image)
            with image:
                _check(image, stream, name)
                yield image, orientation
    except UserError:
        raise
    except (
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise UserError(
            f"The image claims more than {Image.MAX_IMAGE_PIXELS:,} pixels; "
            f"make it smaller or remove it. Received: {name}"
        ) from error
    except _READ_ERRORS as error:
        raise UserError(
            f"The file cannot be read as an image ({_reason(error)}); mend or "
            f"remove it. Received: {name}"
        ) from error


def open_image_file(file: pathlib.Path | bytes) -> BinaryIO:
    """Opens a file, or its content, for reading.

    Raises:
        UserError: If it is a pipe, a device or a folder: to open a pipe would
            be to wait for one who writes to it.
        OSError: If it cannot be opened.
    """
    if isinstance(file, bytes):
        return io.BytesIO(file)
    if not stat.S_ISREG(file.stat().st_mode):
        raise UserError(
            "An image must be a regular file, not a folder, a pipe or a "
            f"device. Received: {printable(file)}"
        )
    return file.open("rb")


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "it is not a PNG, JPEG, WebP, TIFF, BMP or GIF file"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _check(image: Image.Image, stream: BinaryIO, name: str) -> None:
    """Raises UserError where the pixels are not 8 bits of grey or colour.

    Raises:
        ValueError: If a PNG does not say what its colours are.
    """
    bits = _bits_per_channel(image, stream)
    if bits > 8 or image.mode in _DEEP_MODES:
        raise UserError(
            "The image has more than 8 bits a channel; "
            f"convert it to 8 bits. Received: {name}"
        )
    if image.mode not in _GREY_MODES + _COLOUR_MODES:
        raise UserError(
            f"The image's pixels are {image.mode}; convert it to grey levels "
            f"or RGB. Received: {name}"
        )
    if image.format == "PNG":
        check_colours(stream)
    transparency = image.info.get("transparency")
    if image.mode == "L" and bits in (2, 4) and isinstance(transparency, int):
        # Pillow widens the levels of a PNG to 8 bits, but not the one of them
        # that is transparent.
        image.info["transparency"] = transparency * 255 // (2**bits - 1)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Returns a CMYK image in RGB, rounded as TensorFlow's decoder does."""
    light = 255 - np.asarray(image, np.int32)
    return Image.fromarray(
        (light[..., :3] * light[..., 3:] // 255).astype("u1")
    )


def _bits_per_channel(image: Image.Image, stream: BinaryIO) -> int:
    """Returns how many bits the file has, where Pillow's mode does not tell.

    Numbers with a sign or a fraction count as more than 8.
    """
    if image.format == "PNG":
        position = stream.tell()
        stream.seek(_PNG_BIT_DEPTH_OFFSET)
        bits = stream.read(1)[0]
        stream.seek(position)
        return bits
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        formats = tags.get(_TIFF_SAMPLE_FORMAT, (_TIFF_UNSIGNED,))
        if any(number != _TIFF_UNSIGNED for number in formats):
            return 16
        return max(tags.get(_TIFF_BITS_PER_SAMPLE, (1,)))
    return 8


def _orientation(image: Image.Image) -> int:
    """Returns how the image is still to be turned, as EXIF numbers it.

    Metadata that cannot be read turns nothing.
    """
    if image.format == "TIFF":
        # Pillow turns it when it decodes it, and should by its own tag alone.
        image.info.pop("xmp", None)
        return 1
    data = image.info.get("exif")
    if not isinstance(data, bytes):
        return 1
    exif = Image.Exif()
    try:
        exif.load(data)
        orientation = exif.get(_ORIENTATION_TAG, 1)
    except _READ_ERRORS:
        return 1
    return orientation if isinstance(orientation, int) else 1
