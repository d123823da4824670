"""Grids of images, as arrays and as PNG files."""

import math
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_vae.io import outputs

__all__ = [
    "image_grid",
    "sample_columns",
    "save_grid",
    "save_labelled_rows",
    "save_png",
    "side_by_side",
    "to_uint8",
]

_TEXT_SIZE = 14
_TEXT_GAP = 8
_MAX_COLUMNS = 16


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Returns images in [0, 1] as 0 ... 255, rounded and clipped."""
    return (np.clip(images, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def sample_columns(num_classes: int) -> int:
    """Returns how wide a grid of samples is: a column for each class, or 8."""
    return num_classes if 1 < num_classes <= _MAX_COLUMNS else 8


def side_by_side(images: Any, others: Any) -> np.ndarray:
    """Returns images in turn: the first, its other, the second, and so on.

    Args:
        images: `[num, height, width, channels]`.
        others: The same shape, such as the images' reconstructions.

    Returns:
        Images `[2 * num, height, width, channels]`.
    """
    pairs = np.stack([images, others], axis=1)
    return pairs.reshape([-1, *pairs.shape[2:]])


def image_grid(
    images: np.ndarray, columns: int | None = None, gap: int = 2
) -> np.ndarray:
    """Lays images out row by row, with grey lines between them.

    Args:
        images: `[num, height, width, channels]` in [0, 1].
        columns: Images in a row; a square grid unless given.
        gap: Width of the lines in pixels.

    Returns:
        One image `[height, width, channels]`, float32 in [0, 1].
    """
    images = np.asarray(images, np.float32)
    num, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(num))
    rows = math.ceil(num / columns)
    grid = np.full(
        (rows * (height + gap) + gap, columns * (width + gap) + gap, channels),
        0.5,
        np.float32,
    )
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        top = gap + row * (height + gap)
        left = gap + column * (width + gap)
        grid[top : top + height, left : left + width] = image
    return grid


def save_png(
    path: str | os.PathLike[str], image: np.ndarray, zoom: int = 1
) -> None:
    """Writes one image `[height, width, 1 or 3]` in [0, 1] as PNG.

    Args:
        path: Where to; the folder is made if it is missing.
        image: The image.
        zoom: Each pixel becomes a square of so many pixels.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = to_uint8(image).repeat(zoom, axis=0).repeat(zoom, axis=1)
    grey = pixels.shape[-1] == 1
    picture = Image.fromarray(pixels[..., 0] if grey else pixels)
    picture.save(path, format="PNG")


def save_grid(
    path: pathlib.Path,
    images: np.ndarray,
    columns: int | None = None,
    zoom: int = 2,
) -> None:
    """Writes images `[num, height, width, channels]` as one PNG picture.

    Args:
        path: The file.
        images: Values in [0, 1].
        columns: Images in a row; a square grid unless given.
        zoom: Each pixel becomes a square of so many pixels.

    Raises:
        UserError: If it cannot be written.
    """
    grid = image_grid(images, columns)
    outputs.replace_file(path, lambda partial: save_png(partial, grid, zoom))


def save_labelled_rows(
    path: str | os.PathLike[str],
    rows: np.ndarray,
    labels: Sequence[str],
    *,
    title: str = "",
    zoom: int = 2,
) -> None:
    """Writes rows of images, each with its label on the left, as PNG.

    Args:
        path: Where to; the folder is made if it is missing.
        rows: `[row, column, height, width, channels]` in [0, 1].
        labels: One line of text for each row.
        title: Above the rows.
        zoom: Each pixel becomes a square of so many pixels.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    gap = 2
    grid = image_grid(rows.reshape([-1, *rows.shape[2:]]), rows.shape[1], gap)
    pixels = to_uint8(grid).repeat(zoom, axis=0).repeat(zoom, axis=1)
    if pixels.shape[-1] == 1:
        pixels = pixels.repeat(3, axis=-1)
    font = ImageFont.load_default(_TEXT_SIZE)
    left = max(math.ceil(font.getlength(label)) for label in labels)
    left += 2 * _TEXT_GAP
    top = _TEXT_SIZE + 2 * _TEXT_GAP if title else 0
    width = max(left + pixels.shape[1], math.ceil(font.getlength(title)) + left)
    picture = Image.new("RGB", (width, top + pixels.shape[0]), "white")
    picture.paste(Image.fromarray(pixels), (left, top))
    draw = ImageDraw.Draw(picture)
    if title:
        draw.text((left, _TEXT_GAP), title, "black", font)
    height = zoom * (rows.shape[2] + gap)
    for row, label in enumerate(labels):
        middle = top + zoom * gap + row * height + height // 2
        draw.text((_TEXT_GAP, middle), label, "black", font, anchor="lm")
    picture.save(path, format="PNG")
