"""Grids of images as arrays, and grids and charts as PNG files."""

import math
import os
import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

__all__ = [
    "image_grid",
    "sample_columns",
    "save_bar_chart",
    "save_captioned_images",
    "save_histograms",
    "save_labelled_rows",
    "save_png",
    "side_by_side",
    "to_uint8",
]

_BLUE = "#4477aa"
_RED = "#ee6677"
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
        marked: Indices of bars that are, with their values, in another colour.
        mark_label: What that colour means; shown if there are such bars.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(7, 1.2 + 0.3 * len(values)), layout="constrained")
    axes = figure.add_subplot()
    positions = np.arange(len(values))
    colors = [_RED if i in marked else _BLUE for i in range(len(values))]
    bars = axes.barh(positions, values, color=colors)
    numbers = axes.bar_label(bars, fmt="%.2f", padding=3)
    for index in marked:
        numbers[index].set_color(_RED)  # Such a bar may be too short to see.
    axes.set_yticks(positions, labels)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(value_label)
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    if marked:
        first = min(marked)
        # Outside, where it hides the value of no bar.
        figure.legend([bars[first]], [mark_label], loc="outside lower right")
    figure.savefig(path, dpi=120)


def save_captioned_images(
    path: str | os.PathLike[str],
    images: np.ndarray,
    captions: Sequence[str],
    *,
    title: str,
    columns: int = 8,
    marked: Collection[int] = (),
) -> None:
    """Writes images with a text below each, row by row, as PNG.

    Args:
        path: Where to; the folder is made if it is missing.
        images: `[num, height, width, channels]` in [0, 1].
        captions: The text of each image.
        title: Above the images.
        columns: Images in a row.
        marked: Indices of images whose text is red.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = math.ceil(len(images) / columns)
    figure = Figure(
        figsize=(1.3 * columns, 0.6 + 1.65 * rows), layout="constrained"
    )
    figure.suptitle(title)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    pixels = to_uint8(images)
    if pixels.shape[-1] == 1:
        pixels = pixels.repeat(3, axis=-1)
    for index, (image, caption) in enumerate(
        zip(pixels, captions, strict=True)
    ):
        axes = grid.flat[index]
        axes.imshow(image, interpolation="nearest")
        color = _RED if index in marked else "black"
        # Names of files may hold a $, which is not meant as mathematics.
        axes.text(
            0.5,
            -0.04,
            caption,
            transform=axes.transAxes,
            ha="center",
            va="top",
            size=7,
            color=color,
            parse_math=False,
        )
    figure.savefig(path, dpi=120)


def save_histograms(
    path: str | os.PathLike[str],
    panels: Mapping[str, Mapping[str, np.ndarray]],
    *,
    num_bins: int = 40,
) -> None:
    """Writes histograms that are to be compared, side by side, as PNG.

    Args:
        path: Where to; the folder is made if it is missing.
        panels: Title of each panel -> name of each of its one or two sets of
            values -> the values, finite.
        num_bins: Bars of each histogram; they have a density, so that sets of
            different sizes can be compared.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(4.5 * len(panels), 3.2), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False)
    for axes, (title, sets) in zip(grid.flat, panels.items(), strict=True):
        together = np.concatenate(list(sets.values()))
        bins = np.histogram_bin_edges(together, num_bins)
        for color, (name, values) in zip(
            (_BLUE, _RED), sets.items(), strict=False
        ):
            axes.hist(
                values, bins, density=True, alpha=0.6, color=color, label=name
            )
        axes.set_title(title, size=9)
        axes.set_yticks([])
        axes.legend()
        axes.spines[["top", "right", "left"]].set_visible(False)
    figure.savefig(path, dpi=120)
