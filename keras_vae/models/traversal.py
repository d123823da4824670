"""What one latent dimension, or one latent group, changes in an image."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vae import seeds
from keras_vae.config import check_number
from keras_vae.networks.conditioning import condition_on

__all__ = ["resampled", "traverse"]


def traverse(
    model: Any,
    image: tf.Tensor,
    dimensions: Sequence[int] | np.ndarray,
    limit: float = 2.5,
    num_steps: int = 9,
    label: tf.Tensor | None = None,
) -> np.ndarray:
    """Decodes an image's code with one dimension at a time moved.

    Args:
        model: A model with one latent vector.
        image: `[1, height, width, channels]` in [0, 1].
        dimensions: Which latent dimensions, one row each.
        limit: They run so many of the prior's standard deviations to either
            side of its mean.
        num_steps: Images in a row.
        label: The image's class, int32 `[1]`, for a conditional model.

    Returns:
        Images `[dimension, step, height, width, channels]`.

    Raises:
        UserError: If a number is not as said above.
    """
    check_number("limit", limit, 0)
    check_number("num_steps", num_steps, 1, whole=True)
    for dimension in dimensions:
        last = model.latent_dim - 1
        check_number("dimensions", dimension, 0, whole=True, high=last)
    code = model.latent_moments(image, **condition_on(label))[0].numpy()[0]
    prior = model.prior.distribution()
    loc, scale = prior.mean().numpy(), prior.stddev().numpy()
    steps = np.linspace(-limit, limit, num_steps)
    codes = np.tile(code, [len(dimensions), num_steps, 1])
    for row, dimension in enumerate(dimensions):
        codes[row, :, dimension] = loc[dimension] + steps * scale[dimension]
    flat = tf.constant(codes.reshape([-1, model.latent_dim]), tf.float32)
    if label is not None:
        label = tf.repeat(label, len(flat))
    images = model.decode(flat, **condition_on(label)).numpy()
    return images.reshape([len(dimensions), num_steps, *model.image_shape])


def resampled(
    model: Any,
    images: tf.Tensor,
    num_draws: int = 8,
    temperature: float = 1.0,
    seed: int | None = None,
    label: tf.Tensor | None = None,
) -> np.ndarray:
    """Draws images' lower groups anew: what does each group decide?

    Row k keeps the first k groups and draws the others from their priors. Row 0
    is samples that have nothing of the images; the last row is the
    reconstructions. What all draws of an image and row share, the groups kept
    decide.

    Args:
        model: A model with a hierarchy of latent groups.
        images: `[num_images, height, width, channels]` in [0, 1].
        num_draws: Draws of each image in a row.
        temperature: Of the draws.
        seed: Of the draws; the model's unless given.
        label: The images' classes, int32 `[num_images]`, for a conditional
            model.

    Returns:
        Images `[group + 1, num_images * (1 + num_draws), height, width,
        channels]`: in each row an image, its draws, the next image and so on.

    Raises:
        UserError: If `num_draws` is no whole number of at least 1.
    """
    check_number("num_draws", num_draws, 1, whole=True)
    copies = tf.repeat(images, num_draws, axis=0)
    if label is not None:
        label = tf.repeat(label, num_draws)
    originals = np.asarray(images)[:, None]
    base = seeds.from_int(model.seed if seed is None else seed)
    rows = []
    for kept in range(len(model.group_shapes) + 1):
        draws = model.resample(copies, kept, base, temperature, label).numpy()
        draws = draws.reshape([-1, num_draws, *model.image_shape])
        row = np.concatenate([originals, draws], axis=1)
        rows.append(row.reshape([-1, *model.image_shape]))
    return np.stack(rows)
