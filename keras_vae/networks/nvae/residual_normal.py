"""Bounded Gaussians of latent groups, and posteriors relative to priors."""

import math

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.white_noise import clamp5, diagonal_normal

__all__ = ["MIN_SCALE", "floored_normal", "residual_normal"]

MIN_SCALE = 0.01
_SHARPNESS = math.log(2.0)


def floored_normal(
    raw: tf.Tensor, smooth_scale: bool = False
) -> tfd.Distribution:
    """Returns the Gaussians of a group, float32 `[rows, ..., c]`.

    The location is clamp5(m) and the scale exp(clamp5(s)) + 0.01, where m and s
    are the two halves of `raw`: zeros give a scale of 1.01.

    Args:
        raw: float32 `[rows, ..., 2c]`.
        smooth_scale: Whether the scale is log(1 + 2^s) / log(2) + 0.01, whose
            slope is at most 1, instead.

    References:
        Vahdat and Kautz (2020), NVAE. Hazami, Mama and Thurairatnam (2022),
        Efficient-VDVAE, section 4.2, for the smooth scale.
    """
    if smooth_scale:
        loc, scale = tf.split(raw, 2, axis=-1)
        return diagonal_normal(clamp5(loc), _softplus(scale) + MIN_SCALE)
    loc, log_scale = tf.split(clamp5(raw), 2, axis=-1)
    return diagonal_normal(loc, tf.exp(log_scale) + MIN_SCALE)


def residual_normal(
    prior: tf.Tensor, residual: tf.Tensor, smooth_scale: bool = False
) -> tfd.Distribution:
    """Returns a posterior relative to its prior.

    It is `floored_normal(prior + residual)`; what is bounded is the sum. With a
    smooth scale it is the product of the prior's and the residual's, to which
    0.01 is added. A residual of zeros gives the prior exactly.

    Args:
        prior: What `floored_normal` got for the prior.
        residual: The same for the posterior.
        smooth_scale: As for `floored_normal`.

    References:
        Vahdat and Kautz (2020), NVAE, section 3.2.
    """
    if not smooth_scale:
        return floored_normal(prior + residual)
    loc, scale = tf.split(prior, 2, axis=-1)
    loc_change, scale_change = tf.split(residual, 2, axis=-1)
    product = _softplus(scale) * _softplus(scale_change)
    return diagonal_normal(clamp5(loc + loc_change), product + MIN_SCALE)


def _softplus(x: tf.Tensor) -> tf.Tensor:
    """log(1 + 2^x) / log(2), which is 1 at 0."""
    return tf.nn.softplus(_SHARPNESS * x) / _SHARPNESS
