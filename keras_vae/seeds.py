"""Stateless seeds: every random number is a function of where it is used.

A seed is an `int32 [2]` tensor, as `tf.random.stateless_*` and TensorFlow
Probability take it. Nothing here holds state, so a run that is killed and
resumed at step t draws what the uninterrupted run would have drawn.
"""

import numbers
from typing import Any

import tensorflow as tf

__all__ = [
    "any_seed",
    "fold_in",
    "from_int",
    "replica",
    "row_normal",
    "rows",
    "split",
]

_LARGEST = 2**31 - 1


def from_int(seed: Any) -> tf.Tensor:
    """Returns the seed `[seed, 0]`, an int32 tensor of shape `[2]`.

    Args:
        seed: A whole number of 32 bits, or a tensor that is one.

    Raises:
        ValueError: If it is something else.
    """
    number = isinstance(seed, numbers.Integral) and not isinstance(seed, bool)
    tensor = tf.is_tensor(seed) and seed.dtype.is_integer
    if not (tensor or (number and abs(seed) <= _LARGEST)):
        raise ValueError(
            f"`seed` must be a whole number of 32 bits. Received: seed={seed!r}"
        )
    return tf.stack([tf.cast(seed, tf.int32), tf.constant(0, tf.int32)])


def any_seed(seed: Any = None) -> tf.Tensor:
    """Returns the seed `[2]` that a caller means.

    Args:
        seed: A whole number; or a seed `[2]`; or None for one drawn by
            TensorFlow, another in each call, which `keras.utils.
            set_random_seed` makes repeatable, as Keras's layers draw theirs.

    Raises:
        ValueError: If it is none of these.
    """
    if seed is None:
        return tf.random.uniform([2], maxval=_LARGEST, dtype=tf.int32)
    if isinstance(seed, numbers.Integral) and not isinstance(seed, bool):
        if abs(int(seed)) <= _LARGEST:
            return from_int(int(seed))
    else:
        pair = tf.convert_to_tensor(seed)
        if pair.dtype.is_integer and pair.shape.is_compatible_with([2]):
            return tf.cast(pair, tf.int32)
        if pair.dtype.is_integer and pair.shape.rank == 0:
            return from_int(pair)
    raise ValueError(
        "`seed` must be a whole number of 32 bits, two of them or None. "
        f"Received: seed={seed!r}"
    )


def fold_in(seed: tf.Tensor, data: tf.Tensor | int) -> tf.Tensor:
    """Returns a new seed `[2]` that depends on `seed [2]` and an integer."""
    data = tf.cast(tf.convert_to_tensor(data), tf.int32)
    return tf.random.experimental.stateless_fold_in(seed, data)


def split(seed: tf.Tensor, num: int = 2) -> list[tf.Tensor]:
    """Returns `num` independent seeds `[2]` made from `seed [2]`."""
    return tf.unstack(tf.random.experimental.stateless_split(seed, num), num)


def replica(seed: tf.Tensor) -> tf.Tensor:
    """Returns `seed [2]` made different on each replica of the strategy.

    Outside a replica context (a plain call, a cross-replica context) this is
    the seed of replica 0.
    """
    context = tf.distribute.get_replica_context()
    index = 0 if context is None else context.replica_id_in_sync_group
    return fold_in(seed, index)


def rows(seed: tf.Tensor, count: tf.Tensor | int) -> tf.Tensor:
    """Returns the seeds of `count` images, `[a, b]`, `[a, b + 1]` and so on.

    Args:
        seed: int32 `[2]`, `[a, b]`.
        count: How many.

    Returns:
        int32 `[count, 2]`.
    """
    numbers = seed[1] + tf.range(tf.cast(count, tf.int32))
    return tf.stack([tf.fill(tf.shape(numbers), seed[0]), numbers], axis=1)


def row_normal(seed: tf.Tensor, size: int) -> tf.Tensor:
    """Returns standard normal numbers `[batch, size]`, a row from its seed.

    Args:
        seed: int32 `[batch, 2]`.
        size: Numbers in a row.
    """
    rows = tf.map_fn(
        lambda s: tf.random.stateless_normal([size], s),
        seed,
        fn_output_signature=tf.float32,
    )
    return tf.reshape(rows, [-1, size])
