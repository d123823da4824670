"""What an image that is made from latents shows of p(x|z)."""

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import seeds
from keras_vae.config import PIXELS, check_choice

__all__ = ["as_image", "image_of", "pixel_seed"]

# Beyond the number of any latent group: noise of its own.
_STREAM = 2**31 - 1


def as_image(pixels: Any) -> tf.Tensor:
    """Returns pixels as an image shows them, in [0, 1].

    The mean of a likelihood, and a draw from it, may lie beyond: that of a
    Gaussian, and that of colours whose channels depend on each other. The image
    has the nearest value, as a file of it would; densities are of the pixels as
    they are.
    """
    return tf.clip_by_value(pixels, 0.0, 1.0)


def image_of(likelihood: tfd.Distribution, seed: Any = None) -> tf.Tensor:
    """Returns an image of each row of p(x|z): its mean, or a draw from it.

    Args:
        likelihood: Batch shape `[batch]`, event shape (height, width,
            channels).
        seed: None gives the mean; int32 `[2]`, a draw from each row; int32
            `[batch, 2]`, draws that are functions of their own row and its
            seed. It may be that of the latents.

    Returns:
        Images `[batch, height, width, channels]` in [0, 1]; see `as_image`.
    """
    if seed is None:
        return as_image(likelihood.mean())
    seed = tf.convert_to_tensor(seed, tf.int32)
    if seed.shape.rank == 1:
        image = likelihood.sample(seed=seeds.fold_in(seed, _STREAM))
    else:
        image = _draw_rows(likelihood, seed)
    return as_image(image)


def _draw_rows(likelihood: tfd.Distribution, seed: tf.Tensor) -> tf.Tensor:
    def draw(row: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        index, row_seed = row
        # A slice: tfd.Independent takes no tensor for an index.
        one = likelihood[index : index + 1]
        image = one.sample(seed=seeds.fold_in(row_seed, _STREAM))
        # Known, or none of no rows could be stacked.
        return tf.reshape(image, likelihood.event_shape)

    rows = (tf.range(tf.shape(seed)[0]), seed)
    return tf.map_fn(draw, rows, fn_output_signature=tf.float32)


def pixel_seed(pixels: str, seed: Any) -> Any:
    """Returns the seed that `image_of` takes for a choice in `PIXELS`.

    Args:
        pixels: `mean` or `draw`.
        seed: That of the latents.

    Raises:
        UserError: If there is no such choice.
    """
    check_choice("pixels", pixels, PIXELS)
    return seed if pixels == "draw" else None
