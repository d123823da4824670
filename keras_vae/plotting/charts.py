"""Charts, and images with text, as PNG files."""

import math
import os
import pathlib
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from keras_vae.plotting.grids import to_uint8

__all__ = ["save_bar_chart", "save_captioned_images", "save_histograms"]

_BLUE = "#4477aa"
_RED = "#ee6677"


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
