"""Grids of images as arrays, and grids and charts as PNG files."""

import math
import os
import pathlib
from collections.abc import Collection, Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

__all__ = ["image_grid", "save_bar_chart", "save_png", "to_uint8"]

_BLUE = "#4477aa"
_RED = "#ee6677"


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Returns images in [0, 1] as 0 ... 255, rounded and clipped."""
    return (np.clip(images, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


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


def save_bar_chart(
    path: str | os.PathLike[str],
    values: Sequence[float] | np.ndarray,
    labels: Sequence[str],
    *,
    title: str,
    value_label: str,
    marked: Collection[int] = (),
    mark_label: str = "",
) -> None:
    """Writes a chart of horizontal bars, the first on top, as PNG.

    Args:
        path: Where to; the folder is made if it is missing.
        values: Length of each bar.
        labels: Name of each bar.
        title: Above the chart.
        value_label: What the lengths are, with their unit.
        marked: Indices of bars in another colour.
        mark_label: What that colour means; shown if there are such bars.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(7, 1.2 + 0.3 * len(values)), layout="constrained")
    axes = figure.add_subplot()
    positions = np.arange(len(values))
    colors = [_RED if i in marked else _BLUE for i in range(len(values))]
    bars = axes.barh(positions, values, color=colors)
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.set_yticks(positions, labels)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(value_label)
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    if marked:
        first = min(marked)
        axes.legend([bars[first]], [mark_label], loc="lower right")
    figure.savefig(path, dpi=120)
