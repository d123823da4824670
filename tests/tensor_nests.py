"""Nests of tensors: their specs, a scalar of them, and comparison."""

from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["assert_close", "specs", "weighted_sum"]


def specs(inputs: Any) -> Any:
    """Returns a `TensorSpec` of any number of examples for each array."""
    return tf.nest.map_structure(
        lambda array: tf.TensorSpec((None, *array.shape[1:]), array.dtype),
        inputs,
    )


def weighted_sum(outputs: Any) -> tf.Tensor:
    """Returns one number that depends on every element of `outputs`."""
    # Weights that differ: the plain sum of a softmax has no gradient.
    total = tf.zeros(())
    for output in tf.nest.flatten(outputs):
        size = tf.reduce_prod(tf.shape(output)[1:])
        weights = tf.cos(tf.range(size, dtype=tf.float32))
        flat = tf.reshape(tf.cast(output, tf.float32), [-1, size])
        total += tf.reduce_sum(tf.linalg.matvec(flat, weights))
    return total


def assert_close(expected: Any, actual: Any, rtol: float, atol: float) -> None:
    """Asserts equal structures and nearly equal elements."""
    tf.nest.assert_same_structure(expected, actual)
    for one, two in zip(
        tf.nest.flatten(expected), tf.nest.flatten(actual), strict=True
    ):
        np.testing.assert_allclose(
            np.asarray(one), np.asarray(two), rtol=rtol, atol=atol
        )
