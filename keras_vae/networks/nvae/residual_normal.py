"""Bounded Gaussians of latent groups, and posteriors relative to priors."""

import math

import tensorflow as tf

from keras_vae.networks.hierarchy import LocScale, clamp5

__all__ = ["normal", "residual_normal", "standard_normal"]

_MIN_SCALE = 0.01
_SHARPNESS = math.log(2.0)


def normal(raw: tf.Tensor, smooth_scale: bool = False) -> LocScale:
    """Returns location and scale of a group, `[..., c]` each, float32.

    The location is clamp5(m) and the scale exp(clamp5(s)) + 0.01, where m and s
    are the two halves of `raw`: zeros give a scale of 1.01.

    Args:
        raw: float32 `[..., 2c]`.
        smooth_scale: Whether the scale is log(1 + 2^s) / log(2) + 0.01, whose
            slope is at most 1, instead.

    References:
        Vahdat and Kautz (2020), NVAE. Hazami, Mama and Thurairatnam (2022),
        Efficient-VDVAE, section 4.2, for the smooth scale.
    """
    if smooth_scale:
        loc, scale = tf.split(raw, 2, axis=-1)
        return clamp5(loc), _softplus(scale) + _MIN_SCALE
    loc, log_scale = tf.split(clamp5(raw), 2, axis=-1)
    return loc, tf.exp(log_scale) + _MIN_SCALE


def residual_normal(
    prior: tf.Tensor, residual: tf.Tensor, smooth_scale: bool = False
) -> LocScale:
    """Returns location and scale of a posterior, relative to its prior.

    They are those of `normal(prior + residual)`; what is bounded is the sum.
    With a smooth scale it is the product of the prior's and the residual's, to
    which 0.01 is added. A residual of zeros gives the prior exactly.

    Args:
        prior: What `normal` got for the prior, float32 `[..., 2c]`.
        residual: The same for the posterior.
        smooth_scale: As for `normal`.

    References:
        Vahdat and Kautz (2020), NVAE, section 3.2.
    """
    if not smooth_scale:
        return normal(prior + residual)
    loc, scale = tf.split(prior, 2, axis=-1)
    loc_change, scale_change = tf.split(residual, 2, axis=-1)
    product = _softplus(scale) * _softplus(scale_change)
    return clamp5(loc + loc_change), product + _MIN_SCALE


def standard_normal(shape: tf.Tensor | list) -> LocScale:
    """Returns the prior of the top group: 0 and 1.01, float32 `shape`."""
    return tf.zeros(shape), tf.fill(shape, 1.0 + _MIN_SCALE)


def _softplus(x: tf.Tensor) -> tf.Tensor:
    """log(1 + 2^x) / log(2), which is 1 at 0."""
    return tf.nn.softplus(_SHARPNESS * x) / _SHARPNESS
