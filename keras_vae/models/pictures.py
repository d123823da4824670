"""What is drawn of a model: pictures that it makes of itself and of images."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vae import plotting, seeds
from keras_vae.models.latent_statistics import LatentStatistics
from keras_vae.models.traversal import resampled, traverse
from keras_vae.networks.conditioning import Condition

__all__ = [
    "Picture",
    "completions",
    "reconstructions",
    "resampled_groups",
    "samples",
    "samples_by_temperature",
    "traversals",
]

_COLUMNS = 8
_NUM_PAIRS = 32
_TEMPERATURES = (0.4, 0.6, 0.7, 0.8, 0.9, 1.0)
_COMPLETED, _COMPLETED_DRAWS = 8, 3  # Images, and draws of each.
_RESAMPLED, _RESAMPLED_DRAWS = 3, 4  # Images, and draws of each.


@dataclasses.dataclass(frozen=True)
class Picture:
    """Images in a grid, with a name.

    Attributes:
        name: What the picture is called in TensorBoard, and its file.
        images: `[num, height, width, channels]` in [0, 1], row by row.
        columns: Images in a row.
    """

    name: str
    images: np.ndarray
    columns: int


def reconstructions(
    model: Any, image: tf.Tensor, condition: Condition
) -> Picture:
    """Draws images, 32 at most, each beside its reconstruction."""
    image, condition = _first(_NUM_PAIRS, image, condition)
    pairs = plotting.side_by_side(image, model.reconstruct(image, **condition))
    return Picture("reconstructions", pairs, 2 * _COLUMNS)


def samples(model: Any, pixels: str = "mean") -> Picture:
    """Draws eight rows of samples, a column for each class if there are any."""
    columns = plotting.sample_columns(model.num_classes)
    count = columns * _COLUMNS
    images = model.sample(
        [count],
        seeds.from_int(model.seed),
        pixels=pixels,
        **model.classes_in_turn(count),
    )
    return Picture("samples", images.numpy(), columns)


def traversals(
    model: Any,
    image: tf.Tensor,
    condition: Condition,
    statistics: LatentStatistics,
) -> Picture:
    """Moves the eight most informative latents of the first image."""
    image, condition = _first(1, image, condition)
    rows = traverse(model, image, statistics.order[:_COLUMNS], **condition)
    return _rows("traversals", rows)


def completions(model: Any, image: tf.Tensor) -> Picture:
    """Draws the lower halves of the first images anew, given the upper ones.

    In a row are an image and its draws.
    """
    image = image[:_COMPLETED]
    kept = model.image_shape[0] // 2
    seed = seeds.from_int(model.seed)
    copies = tf.repeat(image, _COMPLETED_DRAWS, axis=0)
    drawn = model.complete(copies, kept, seed).numpy()
    drawn = drawn.reshape([-1, _COMPLETED_DRAWS, *model.image_shape])
    rows = np.concatenate([image.numpy()[:, np.newaxis], drawn], axis=1)
    return _rows("completions", rows)


def resampled_groups(
    model: Any, image: tf.Tensor, condition: Condition
) -> Picture:
    """Draws what each latent group decides of the first images."""
    image, condition = _first(_RESAMPLED, image, condition)
    rows = resampled(model, image, _RESAMPLED_DRAWS, **condition)
    return _rows("resampled_from_group", rows)


def samples_by_temperature(model: Any, pixels: str = "mean") -> list[Picture]:
    """Draws the same samples colder, as a whole and one group at a time."""
    groups = range(len(model.group_shapes))
    rows: dict[str, list[Any]] = {
        "samples_by_temperature": list(_TEMPERATURES),
        "samples_one_group_colder": [
            [float(other != group) for other in groups] for group in groups
        ],
    }
    seed = seeds.from_int(model.seed)
    return [
        _rows(
            name,
            np.stack(
                [
                    model.sample(
                        [_COLUMNS],
                        seed,
                        t,
                        pixels=pixels,
                        **model.classes_in_turn(_COLUMNS),
                    ).numpy()
                    for t in temperatures
                ]
            ),
        )
        for name, temperatures in rows.items()
    ]


def _first(
    count: int, image: tf.Tensor, condition: Condition
) -> tuple[tf.Tensor, Condition]:
    return image[:count], {k: v[:count] for k, v in condition.items()}


def _rows(name: str, rows: np.ndarray) -> Picture:
    """Returns images `[row, column, height, width, channels]` as a picture."""
    return Picture(name, rows.reshape([-1, *rows.shape[2:]]), rows.shape[1])
