"""Draws of Gaussians as functions of white noise, one to one."""

import tensorflow as tf
from tensorflow_probability import distributions as tfd

__all__ = [
    "clamp5",
    "diagonal_normal",
    "from_noise",
    "standard_normal",
    "to_noise",
]


def clamp5(x: tf.Tensor) -> tf.Tensor:
    """Returns 5 tanh(x / 5), within -5 ... 5 and of slope 1 at 0."""
    return 5.0 * tf.tanh(x / 5.0)


def diagonal_normal(loc: tf.Tensor, scale: tf.Tensor) -> tfd.Distribution:
    """Returns independent Gaussians, all axes but the first being the event."""
    return tfd.Independent(tfd.Normal(loc, scale), loc.shape.rank - 1)


def standard_normal(like: tf.Tensor, scale: float = 1.0) -> tfd.Distribution:
    """Returns N(0, scale^2), float32, with the shape of `like [rows, ...]`."""
    zeros = tf.zeros_like(like, tf.float32)
    return diagonal_normal(zeros, tf.fill(tf.shape(zeros), scale))


def from_noise(
    distribution: tfd.Distribution,
    noise: tf.Tensor | float,
    temperature: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the draw of a Gaussian that white noise makes.

    Args:
        distribution: Diagonal, or with a `loc` and a linear operator `scale`.
        noise: Standard normal, of the draw's shape. 0 gives the mean.
        temperature: Multiplies the noise; 1 unless given.
    """
    if isinstance(distribution, tfd.Independent):
        loc, scale = (
            distribution.distribution.loc,
            distribution.distribution.scale,
        )
        if temperature is not None:
            scale = temperature * scale
        return loc + scale * noise
    if temperature is not None:
        noise = temperature * noise
    return distribution.loc + distribution.scale.matvec(noise)


def to_noise(distribution: tfd.Distribution, z: tf.Tensor) -> tf.Tensor:
    """Returns the noise that `from_noise` makes z of, at temperature 1."""
    if isinstance(distribution, tfd.Independent):
        normal = distribution.distribution
        return (z - normal.loc) / normal.scale
    return distribution.scale.solvevec(z - distribution.loc)
