"""Tests of the choice of a component."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_vae.priors.components import choose_component

PROBS = [0.2, 0.5, 0.0, 0.3]


def test_each_comes_at_its_share_of_the_normal_distribution():
    shares = np.array([0.001, 0.199, 0.201, 0.699, 0.701, 0.999])
    number = tf.constant(scipy.stats.norm.ppf(shares), tf.float32)
    found = choose_component(number, tf.constant(PROBS))
    np.testing.assert_array_equal(found, [0, 0, 1, 1, 3, 3])


def test_the_farthest_numbers_have_a_component():
    # Ten times float32's 0.1 are more than 1, and other sums are less.
    for count in (1, 3, 10, 49):
        probs = tf.fill([count], 1.0 / count)
        found = choose_component(tf.constant([-40.0, 40.0]), probs)
        np.testing.assert_array_equal(found, [0, count - 1])


def test_frequencies_are_the_probabilities():
    number = tf.random.stateless_normal([20_000], [0, 1])
    found = choose_component(number, tf.constant(PROBS))
    counts = np.bincount(found, minlength=4)
    error = np.sqrt(20_000 * np.array(PROBS) * (1 - np.array(PROBS)))
    # Each beyond 5.3 sigma once in 10 million.
    assert np.all(np.abs(counts - 20_000 * np.array(PROBS)) <= 5.3 * error)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
