"""The log-probability of an image, taken apart into its positions."""

import tensorflow as tf
from tensorflow_probability import distributions as tfd

__all__ = ["position_log_prob"]


def position_log_prob(
    likelihood: tfd.Distribution, image: tf.Tensor
) -> tf.Tensor:
    """Returns log p of what an image has at each position.

    Given z, the positions of an image are independent under every likelihood
    of the package, so that the sum over some of them is the log-probability of
    these alone. The channels of one position need not be independent, as those
    of a discretized logistic mixture are not, and are not taken apart.

    Args:
        likelihood: What a decoder returns, event shape [H, W, C].
        image: [..., H, W, C], broadcastable to it.

    Returns:
        log_prob: [..., H, W], nats; it sums to `likelihood.log_prob(image)`.

    Raises:
        TypeError: If nothing is known about the distribution's positions.
    """
    if isinstance(likelihood, tfd.Independent):
        return tf.reduce_sum(likelihood.distribution.log_prob(image), axis=-1)
    if hasattr(likelihood, "position_log_prob"):
        return likelihood.position_log_prob(image)
    raise TypeError(
        "`likelihood` must be a tfd.Independent or have a method "
        f"`position_log_prob`. Received: {type(likelihood).__name__}"
    )
