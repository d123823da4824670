"""The order in which training sees the images, without any state."""

import tensorflow as tf

from keras_vae.data.binarization import noise_seed

__all__ = ["batch_positions", "shuffled_index"]

# `tf.random.experimental.index_shuffle` uses 4 rounds of its block cipher:
# neighbours then stay neighbours up to thirty times as often as they should.
_ROUNDS = 8


def shuffled_index(
    index: tf.Tensor, seed: tf.Tensor, size: int | tf.Tensor
) -> tf.Tensor:
    """Returns where a seeded permutation of 0 ... size - 1 sends `index`.

    Args:
        index: int64 [n], each in 0 ... size - 1.
        seed: int64 [2]; each seed is a permutation of its own.
        size: The number of things that are shuffled.

    Returns:
        index: int64 [n].
    """
    # The op looks at the lowest 8 bits of each number of its seed alone, so
    # that counters would repeat after 256 epochs: mix all bits into them.
    mixed_seed = tf.random.stateless_uniform(
        [3], seed, minval=None, maxval=None, dtype=tf.int64, alg="philox"
    )
    return tf.raw_ops.RandomIndexShuffle(
        index=index,
        seed=mixed_seed,
        max_index=tf.cast(size, tf.int64) - 1,
        rounds=_ROUNDS,
    )


def batch_positions(
    step: tf.Tensor, *, num_images: int, batch_size: int, seed: int
) -> tf.Tensor:
    """Returns which images make up the batch of a training step.

    An epoch is `num_images // batch_size` steps over distinct images; the
    remainder, another one each epoch, is left out.

    Args:
        step: int64 scalar, counted from 0 over all epochs.
        num_images: Images in the split.
        batch_size: Images per batch.
        seed: The run's seed.

    Returns:
        positions: int64 [batch_size], in 0 ... num_images - 1.
    """
    steps_per_epoch = num_images // batch_size
    epoch = step // steps_per_epoch
    first = (step % steps_per_epoch) * batch_size
    index = first + tf.range(batch_size, dtype=tf.int64)
    return shuffled_index(index, noise_seed(seed, "order", epoch), num_images)
