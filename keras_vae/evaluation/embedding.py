"""Files that show latents in the Embedding Projector."""

import dataclasses
import math
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from tensorboard.plugins import projector

from keras_vae import plotting
from keras_vae.config import check_number

__all__ = [
    "MAX_SPRITE_SIZE",
    "Projection",
    "write_projector",
]

# What the projector takes, pixels on a side.
MAX_SPRITE_SIZE = 8192


@dataclasses.dataclass(frozen=True)
class Projection:
    """What the Embedding Projector was given.

    Attributes:
        positions: Positions of the images that are shown, int64, increasing.
        dimensions: Latent dimensions that are shown, int64, increasing.
    """

    positions: np.ndarray
    dimensions: np.ndarray


def write_projector(
    folder: pathlib.Path,
    mean: np.ndarray,
    images: np.ndarray,
    metadata: Mapping[str, Sequence[object]],
    *,
    max_points: int,
    max_dimensions: int,
    seed: int = 0,
) -> Projection:
    """Writes the files that `tensorboard --logdir=FOLDER` shows.

    `tensors.tsv`, `metadata.tsv`, `sprite.png` with a small picture for each
    point, and `projector_config.pbtxt`, which names them. A sprite has at most
    8192 x 8192 pixels, so that of images of HxW there are at most
    `floor(8192 / max(H, W))^2` points.

    Args:
        folder: Where to; it exists.
        mean: `[num, D]`.
        images: `[num, height, width, channels]` in [0, 1].
        metadata: Name of a column -> what it says of each image; at least
            two of them, as the projector takes a single one without its name.
        max_points: Where there are more images a seeded random subset is
            shown.
        max_dimensions: Where there are more dimensions those whose mean
            varies most over the images are shown.
        seed: Of the subset.

    Returns:
        What is shown.

    Raises:
        UserError: If a number is not as said above.
    """
    check_number("max_points", max_points, 1, whole=True)
    check_number("max_dimensions", max_dimensions, 1, whole=True)
    check_number("seed", seed, 0, whole=True)
    height, width = images.shape[1:3]
    fitting = (MAX_SPRITE_SIZE // max(height, width)) ** 2
    shown = Projection(
        _subset(len(images), min(max_points, fitting or max_points), seed),
        _most_varying(mean, max_dimensions),
    )
    points = mean[np.ix_(shown.positions, shown.dimensions)]
    _write_rows(
        folder / "tensors.tsv",
        ([f"{value:.6g}" for value in row] for row in points),
    )
    columns = [
        [values[position] for position in shown.positions]
        for values in metadata.values()
    ]
    _write_rows(
        folder / "metadata.tsv", [list(metadata), *zip(*columns, strict=True)]
    )
    config = projector.ProjectorConfig()
    embedding = config.embeddings.add(
        tensor_name="latents",
        tensor_path="tensors.tsv",
        metadata_path="metadata.tsv",
    )
    if fitting:
        pictures = images[shown.positions]
        columns_of_sprite = math.ceil(math.sqrt(len(pictures)))
        sprite = plotting.image_grid(pictures, columns_of_sprite, gap=0)
        plotting.save_png(folder / "sprite.png", sprite)
        embedding.sprite.image_path = "sprite.png"
        embedding.sprite.single_image_dim.extend([width, height])
    # A message's string is its text format, which the projector parses.
    (folder / "projector_config.pbtxt").write_text(str(config))
    return shown


def _subset(count: int, at_most: int, seed: int) -> np.ndarray:
    if count <= at_most:
        return np.arange(count)
    order = np.random.RandomState(seed).permutation(count)
    return np.sort(order[:at_most])


def _most_varying(mean: np.ndarray, at_most: int) -> np.ndarray:
    order = np.argsort(-mean.var(axis=0), kind="stable")
    return np.sort(order[:at_most])


def _write_rows(path: pathlib.Path, rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
        for row in rows:
            file.write("\t".join(_cell(value) for value in row) + "\n")


def _cell(value: object) -> str:
    """Returns a value as text without the characters that end a cell."""
    return " ".join(str(value).split()) or "-"
