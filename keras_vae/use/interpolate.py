"""`interpolate`: the way from one image, or one draw, to another."""

import os
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from keras_vae import plotting, seeds
from keras_vae.config import check_choice, check_number
from keras_vae.errors import UserError
from keras_vae.io import outputs, sizes
from keras_vae.labels import Label, label_rows
from keras_vae.models.abilities import check_can
from keras_vae.models.conditions import conditions, parse_labels
from keras_vae.training import TrainedModel
from keras_vae.use.source import (
    ImageSource,
)
from keras_vae.use.verb_outputs import check_output

__all__ = ["METHODS", "interpolate", "linear", "spherical"]

METHODS = ("spherical", "linear")
_NUM_IMAGES = 16
_MAX_SEED = 2**31 - 1
_MAX_STEPS = 1000
# Of the sine of the angle: below it the arc is the line but for rounding, or
# the vectors are opposite and there is no one arc.
_COLLINEAR = 1e-6

# From two vectors [pair, D] and shares [step] to points [pair, step, D].
_Between = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def interpolate(
    trained: TrainedModel,
    source: ImageSource,
    output: str | os.PathLike[str],
    *,
    method: str = "spherical",
    steps: int = 9,
    between_seeds: Sequence[int] = (),
    temperature: float = 1.0,
) -> outputs.Written:
    """Draws what lies between two images, or between two draws of the prior.

    Of images the posterior's means are interpolated, in a hierarchical model
    those of all groups as one vector, and decoded. Of seeds it is the standard
    normal noise from which the latents are made: seed s is the first image of
    `sample` with that seed.

    In a conditional model the first half of the way has the class of the first
    image, and the rest that of the second.

    Args:
        trained: The model of a run.
        source: The images: the first and the second are a pair, the third and
            the fourth, and so on. Of a split 16 unless it says how many. Its
            `label` is the class of draws too, one or one for each.
        output: The PNG file to write: a row for each pair. Pairs of images
            stand themselves at the ends of their row.
        method: `spherical` or `linear`.
        steps: Decoded images in a row, both ends included.
        between_seeds: Seeds, used instead of images: pairs, in the same way.
            It is their noise that is interpolated, which of a mixture also
            chooses the component: the images leap where that changes.
        temperature: Of draws.

    Returns:
        What was written.

    Raises:
        UserError: If the model, the images or the output cannot be used.

    References:
        Shoemake (1985), Animating Rotation with Quaternion Curves; White
        (2016), Sampling Generative Networks, section 2.
    """
    path = check_output("interpolate", output)
    check_choice("method", method, METHODS)
    check_number("steps", steps, 2, whole=True, high=_MAX_STEPS)
    check_number("temperature", temperature, 0)
    _check_seeds(between_seeds, source)
    check_can(trained.model, "interpolate")
    between = spherical if method == "spherical" else linear
    if between_seeds:
        rows = _between_seeds(
            trained, between_seeds, between, steps, temperature, source.label
        )
    else:
        rows = _between_images(trained, source, between, steps)
    flat = rows.reshape([-1, *rows.shape[2:]])
    plotting.save_grid(path, flat, rows.shape[1])
    return outputs.Written((path,))


def spherical(
    start: np.ndarray, end: np.ndarray, share: np.ndarray
) -> np.ndarray:
    """Returns points on the arc between vectors.

    With w the angle between them it is
    `sin((1 - t) w) / sin(w) * start + sin(t w) / sin(w) * end`. The arc
    between vectors of the same length keeps that length. Where they are
    parallel or opposite, or one of them is 0, it is the straight line.

    Args:
        start: `[pair, D]`.
        end: `[pair, D]`.
        share: t, from 0 at `start` to 1 at `end`, `[step]`.

    Returns:
        Points `[pair, step, D]`, float64.
    """
    a, b = start.astype(np.float64), end.astype(np.float64)
    length = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    cosine = np.sum(a * b, axis=-1) / np.where(length > 0, length, 1.0)
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))[:, np.newaxis]
    sine = np.sin(angle)
    straight = (sine < _COLLINEAR) | (length == 0)[:, np.newaxis]
    sine = np.where(straight, 1.0, sine)
    first = np.where(straight, 1 - share, np.sin((1 - share) * angle) / sine)
    second = np.where(straight, share, np.sin(share * angle) / sine)
    return _weighted(first, a) + _weighted(second, b)


def linear(start: np.ndarray, end: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Returns points on the line between vectors; as `spherical`."""
    shares = np.tile(np.asarray(share, np.float64), [len(start), 1])
    return _weighted(1 - shares, start) + _weighted(shares, end)


def _weighted(weights: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return weights[:, :, np.newaxis] * vectors[:, np.newaxis]


def _check_seeds(values: Sequence[int], source: ImageSource) -> None:
    if not values:
        return
    listed = ",".join(f"{value:g}" for value in values)
    if source.inputs or source.split or source.num_images:
        raise UserError(
            "Either images or between_seeds are interpolated, not both. "
            f"Received: between_seeds={listed} and images"
        )
    possible = [v == int(v) and 0 <= v <= _MAX_SEED for v in values]
    if len(values) % 2 or not all(possible):
        raise UserError(
            "between_seeds must be pairs of whole numbers, "
            f"0 ... {_MAX_SEED}, such as --between_seeds=0,1. "
            f"Received: between_seeds={listed}"
        )


def _between_images(
    trained: TrainedModel, source: ImageSource, between: _Between, steps: int
) -> np.ndarray:
    """Returns `[pair, steps + 2, H, W, C]`."""
    loaded = source.load(trained, default_num_images=_NUM_IMAGES)
    images, labels = loaded.images, loaded.labels
    if len(images) % 2:
        raise UserError(
            "interpolate takes pairs of images: an even number. "
            f"Received: {len(images)}"
        )
    sizes.check_picture(
        len(images) // 2 * (steps + 2),
        images.shape[1:],
        f"{len(images):,} images and steps={steps}",
    )
    model = trained.model
    mean, _ = model.latent_moments(
        tf.constant(images), **conditions(model, labels)
    )
    code = mean.numpy()
    codes = between(code[::2], code[1::2], np.linspace(0, 1, steps))

    def decode(z: np.ndarray, label: np.ndarray | None) -> tf.Tensor:
        return model.decode(
            tf.constant(z, tf.float32), **conditions(model, label)
        )

    ends = images.reshape([-1, 2, 1, *images.shape[1:]])
    middle = _by_row(codes, labels, decode)
    return np.concatenate([ends[:, 0], middle, ends[:, 1]], axis=1)


def _between_seeds(
    trained: TrainedModel,
    values: Sequence[int],
    between: _Between,
    steps: int,
    temperature: float,
    label: Label | None,
) -> np.ndarray:
    """Returns `[pair, steps, H, W, C]`."""
    model, labels = trained.model, None
    sizes.check_picture(
        len(values) // 2 * steps,
        model.image_shape,
        f"{len(values):,} seeds and steps={steps}",
    )
    if label is not None:
        chosen = parse_labels(model, label)
        labels = label_rows(chosen, len(values), repeat=True)
    rows = tf.constant([[int(value), 0] for value in values], tf.int32)
    noise = seeds.row_normal(rows, model.noise_size).numpy()
    codes = between(noise[::2], noise[1::2], np.linspace(0, 1, steps))

    def decode(z: np.ndarray, label: np.ndarray | None) -> tf.Tensor:
        return model.generate(
            tf.constant(z, tf.float32),
            tf.fill([len(z)], float(temperature)),
            **conditions(model, label),
        )

    return _by_row(codes, labels, decode)


def _by_row(
    codes: np.ndarray,
    labels: np.ndarray | None,
    decode: Callable[[np.ndarray, np.ndarray | None], tf.Tensor],
) -> np.ndarray:
    """Decodes `[pair, step, D]`, half of a row with the class of each end."""
    steps = codes.shape[1]
    beyond_middle = np.arange(steps) * 2 > steps - 1
    rows = []
    for pair, row in enumerate(codes):
        some = None
        if labels is not None:
            ends = labels[2 * pair], labels[2 * pair + 1]
            some = np.where(beyond_middle, ends[1], ends[0])
        rows.append(decode(row, some).numpy())
    return np.stack(rows)
