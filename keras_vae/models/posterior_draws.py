"""Draws from a posterior that may go through a flow.

A draw is known by its base, what was drawn before the flow; without a flow
that is the draw itself.
"""

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import global_batch, seeds
from keras_vae.distributions.white_noise import from_noise
from keras_vae.flows import FlowDistribution
from keras_vae.objectives import LatentGroup

__all__ = [
    "base_at",
    "base_from_noise",
    "base_of",
    "draw_base",
    "latent_group",
    "posterior_moments",
]


def base_of(posterior: tfd.Distribution) -> tfd.Distribution:
    """Returns the distribution before the flow, if there is one."""
    if isinstance(posterior, FlowDistribution):
        return posterior.base
    return posterior


def draw_base(
    posterior: tfd.Distribution, seed: tf.Tensor, num_samples: Any = None
) -> tf.Tensor:
    """Returns a draw of the base, `[batch, D]`.

    On several replicas it is that of the images' places in the global batch,
    if the base is a Gaussian; else each replica draws for itself.

    Args:
        posterior: q(z|x), batch shape `[batch]`.
        seed: int32 `[2]`.
        num_samples: Draws for each image, `[num_samples, batch, D]`; None for
            one without an axis for it.
    """
    base = base_of(posterior)
    shape = () if num_samples is None else (num_samples,)
    if global_batch.current_share() is None:
        return base.sample(shape, seed=seed)
    if not isinstance(base, tfd.MultivariateNormalLinearOperator):
        return base.sample(shape, seed=seeds.replica(seed))

    def white(shape: list[Any], seed: tf.Tensor) -> tf.Tensor:
        zeros = tf.zeros([shape[-1], *base.event_shape], base.dtype)
        normal = tfd.MultivariateNormalDiag(zeros, tf.ones_like(zeros))
        return normal.sample(shape[:-1], seed=seed)

    like = tf.concat([base.batch_shape_tensor(), base.event_shape_tensor()], 0)
    if num_samples is not None:
        like = tf.concat([[num_samples], like], 0)
    noise = global_batch.draw(white, seed, tf.reduce_prod(like[:-1]))
    return base.bijector.forward(tf.reshape(noise, like))


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
