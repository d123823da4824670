"""Draws from a posterior that may go through a flow.

A draw is known by its base, what was drawn before the flow; without a flow
that is the draw itself.
"""

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.white_noise import from_noise
from keras_vae.flows import FlowDistribution
from keras_vae.objectives import LatentGroup

__all__ = [
    "base_at",
    "base_from_noise",
    "base_of",
    "latent_group",
    "posterior_moments",
]


def base_of(posterior: tfd.Distribution) -> tfd.Distribution:
    """Returns the distribution before the flow, if there is one."""
    if isinstance(posterior, FlowDistribution):
        return posterior.base
    return posterior


def base_from_noise(posterior: tfd.Distribution, noise: tf.Tensor) -> tf.Tensor:
    """Returns the base that standard normal noise `[..., D]` makes.

    Raises:
        ValueError: If it is no Gaussian.
    """
    base = base_of(posterior)
    if not isinstance(base, tfd.MultivariateNormalLinearOperator):
        raise ValueError(
            "q(z|x) of given noise must be a Gaussian, or a flow of one. "
            f"Received: {type(base).__name__}"
        )
    return from_noise(base, noise)


def base_at(posterior: tfd.Distribution, z: tf.Tensor) -> tf.Tensor:
    """Returns the base of given latents z `[..., D]`."""
    if isinstance(posterior, FlowDistribution):
        return posterior.inverse(z)
    return z


def latent_group(
    posterior: tfd.Distribution, prior: tfd.Distribution, base: tf.Tensor
) -> LatentGroup:
    """Returns the group of the draw that has this base."""
    if not isinstance(posterior, FlowDistribution):
        return LatentGroup(posterior, prior, base)
    z, log_slope = posterior.push(base)
    return LatentGroup(posterior.base, prior, z, base, log_slope)


def posterior_moments(
    posterior: tfd.Distribution,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns mean and standard deviation of each latent.

    With a flow they are what it makes of the base's mean, and the base's
    deviations times the slopes of its steps there: exact for one step given the
    latents before, no marginal deviations of several steps.
    """
    base = base_of(posterior)
    mean, stddev = base.mean(), base.stddev()
    if not isinstance(posterior, FlowDistribution):
        return mean, stddev
    z, log_slope = posterior.push(mean)
    return z, tf.exp(log_slope) * stddev
