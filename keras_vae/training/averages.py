"""Exponential averages of weights."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

__all__ = ["update_averages"]


def update_averages(
    strategy: tf.distribute.Strategy,
    averages: Sequence[keras.Variable],
    variables: Sequence[keras.Variable],
    largest: float,
    count: Any,
) -> None:
    """Moves averages towards their variables, in each replica's copy.

    Args:
        strategy: Of the variables; where they are several replicas, this is
            called in its cross-replica context.
        averages: Of the variables, one by one.
        variables: As they are after the update.
        largest: The largest momentum, in [0, 1]; until then it is
            `(1 + count) / (10 + count)`.
        count: Updates before this one, a scalar. At the first one the
            averages become the variables.
    """
    count = tf.cast(count, tf.float32)
    momentum = tf.minimum(largest, (1.0 + count) / (10.0 + count))
    # The averages are zeros until then, which must not be averaged in.
    rate = 1.0 - tf.where(count > 0, momentum, 0.0)

    def move(average: Any, variable: Any) -> None:
        tf.raw_ops.ResourceApplyGradientDescent(
            var=average.handle,
            alpha=tf.cast(rate, average.dtype),
            delta=average - variable,
        )

    for average, variable in zip(averages, variables, strict=True):
        strategy.extended.update(
            average.value, move, args=(variable.value,), group=False
        )
