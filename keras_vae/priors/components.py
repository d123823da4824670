"""Draws from the components of a mixture."""

import math

import tensorflow as tf

__all__ = ["choose_component"]


def choose_component(number: tf.Tensor, probs: tf.Tensor) -> tf.Tensor:
    """Returns the component that each standard normal number stands for.

    It is the inverse of the components' distribution function at the number's
    own, so that component k comes with probability `probs[k]`.

    Args:
        number: `[batch]`.
        probs: Of the components, `[component]`, of sum 1.

    Returns:
        Their numbers, int32 `[batch]`.
    """
    uniform = 0.5 * tf.math.erfc(-number / math.sqrt(2.0))
    # Without the last, which rounding may leave below 1.
    return tf.searchsorted(tf.cumsum(probs)[:-1], uniform, side="right")
