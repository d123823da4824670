"""Datasets whose iterators end at once."""

import tensorflow as tf

__all__ = ["without_autotuning"]


def without_autotuning(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Returns the same elements, with parallelism and buffers as they are set.

    The thread that tunes them while an iterator lives looks after 10 ms, then
    after twice as long each time, up to a minute. In TensorFlow 2.21 the end
    of an iterator does not always wake it, and waits for its next look: up to
    a minute in which nothing is done, after training or after a validation.

    Args:
        dataset: Any; what is `tf.data.AUTOTUNE` in it has TensorFlow's default
            from now on: for a parallel map, the number of cores, at most 16.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
