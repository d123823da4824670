"""The largest norm of a gradient that a running median allows."""

import tensorflow as tf

__all__ = ["WINDOW", "norm_limit"]

WINDOW = 64


def norm_limit(norms: tf.Tensor, factor: float) -> tf.Tensor:
    """Returns the largest norm that is not skipped, infinity if any.

    Args:
        norms: The last ones, 0 where there are none yet, `[WINDOW]`.
        factor: Of their median, once there are half as many; 0 allows any.
    """
    if not factor:
        return tf.constant(float("inf"))
    norms = tf.sort(norms, direction="DESCENDING")
    known = tf.math.count_nonzero(norms)
    median = tf.gather(norms, known // 2)
    return tf.where(known >= WINDOW // 2, factor * median, float("inf"))
