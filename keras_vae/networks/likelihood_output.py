"""What every decoder ends in: a bias for each parameter, and p(x|z)."""

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions import DistributionLayer

__all__ = [
    "add_output_bias",
    "check_latents",
    "likelihood",
    "params_shape",
    "set_output_mean",
]


def params_shape(distribution: DistributionLayer) -> tuple[int, int, int]:
    """Returns the shape of the parameters of one image, (H, W, C * n)."""
    height, width, _ = distribution.event_shape
    return height, width, distribution.num_params // (height * width)


def check_latents(z: tf.Tensor, latent_dim: int) -> None:
    """Raises ValueError unless z is `[..., latent_dim]`."""
    if not z.shape.rank or z.shape[-1] not in (None, latent_dim):
        raise ValueError(
            f"`z` must have the shape [..., {latent_dim}], the latent_dim of "
            f"the decoder. Received: shape {z.shape}"
        )


def add_output_bias(decoder: Any, trainable: bool = True) -> None:
    """Adds `decoder.output_bias`, one for each parameter of an image."""
    decoder.output_bias = decoder.add_weight(
        name="output_bias",
        shape=params_shape(decoder.distribution),
        initializer="zeros",
        trainable=trainable,
        dtype="float32",
        autocast=False,  # The likelihood's parameters are float32.
    )


def likelihood(
    decoder: Any, params: tf.Tensor, leading: tf.Tensor | None = None
) -> tfd.Distribution:
    """Returns p(x|z) with what the layers of a decoder gave for it.

    Args:
        decoder: With `distribution` and `output_bias`.
        params: `[rows, H, W, C * n]`.
        leading: Batch shape whose product is `rows`; `[rows]` unless given.
    """
    params = tf.cast(params, tf.float32) + decoder.output_bias
    if leading is not None:
        shape = params_shape(decoder.distribution)
        params = tf.reshape(params, tf.concat([leading, shape], 0))
    return decoder.distribution(params)


def set_output_mean(decoder: Any, mean: Any) -> None:
    """Starts training at p(x|z) = the mean image, whatever z is.

    Sets the bias of the output so that parameters of zero from the layers give
    a likelihood with this mean, which saves the network the first steps (Burda
    et al. 2016, appendix).

    Args:
        decoder: With `distribution` and `output_bias`.
        mean: Mean training image in [0, 1], `[height, width, channels]`.
    """
    bias = decoder.distribution.params_from_mean(np.asarray(mean))
    decoder.output_bias.assign(bias.reshape(decoder.output_bias.shape))
