"""Tests of the stateless order."""

import math

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_vae.data.shuffling import batch_positions, shuffled_index


def _permutation(size, seed):
    index = tf.range(size, dtype=tf.int64)
    return shuffled_index(index, tf.constant(seed, tf.int64), size).numpy()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 17, 255, 1000, 55000])
def test_order_is_a_permutation(size):
    assert sorted(_permutation(size, [0, 3])) == list(range(size))


def test_every_epoch_has_an_order_of_its_own():
    # The op alone repeats itself after 256 epochs.
    orders = {tuple(_permutation(50, [7, epoch])) for epoch in range(600)}
    assert len(orders) == 600


def test_seeds_that_differ_in_high_bits_give_different_orders():
    assert list(_permutation(50, [1, 0])) != list(_permutation(50, [257, 0]))


@pytest.mark.parametrize("size", [10, 100])
def test_each_image_is_equally_often_at_each_place(size):
    epochs = 1000
    counts = np.zeros((size, size))
    for epoch in range(epochs):
        counts[np.arange(size), _permutation(size, [0, epoch])] += 1
    expected = epochs / size
    statistic = ((counts - expected) ** 2 / expected).sum()
    # Of 1e6 seeds one would fail.
    limit = scipy.stats.chi2.isf(1e-6, (size - 1) ** 2)
    assert statistic < limit


def test_neighbours_do_not_stay_neighbours():
    size, epochs = 1000, 300
    pairs = 0
    for epoch in range(epochs):
        order = _permutation(size, [0, epoch])
        pairs += np.sum(np.abs(np.diff(order)) == 1)
    # Poisson with a mean of 2 pairs each epoch; 5 sigma is 6e-7.
    mean = 2 * epochs * (size - 1) / size
    assert abs(pairs - mean) < 5 * math.sqrt(mean)


@pytest.mark.parametrize(
    ("num_images", "batch_size"), [(10, 3), (8, 8), (5, 1)]
)
def test_epoch_has_distinct_positions(num_images, batch_size):
    steps = num_images // batch_size
    for epoch in range(4):
        seen = [
            batch_positions(
                tf.constant(epoch * steps + i, tf.int64),
                num_images=num_images,
                batch_size=batch_size,
                seed=5,
            ).numpy()
            for i in range(steps)
        ]
        seen = np.concatenate(seen)
        assert len(set(seen)) == steps * batch_size
        assert seen.min() >= 0
        assert seen.max() < num_images


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
