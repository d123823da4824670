"""Tests of draws as functions of white noise."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.white_noise import (
    clamp5,
    diagonal_normal,
    from_noise,
    standard_normal,
    to_noise,
)

LOC = np.float32([[0.5, -1.0], [2.0, 0.0], [1.0, 3.0]])
SCALE = np.float32([[1.0, 0.5], [2.0, 0.1], [0.3, 4.0]])
TRIANGLE = np.float32([[2.0, 0.0], [-1.5, 0.5]])


def make(kind):
    """Returns a distribution, and the matrix of each row's noise."""
    if kind == "diagonal":
        return diagonal_normal(tf.constant(LOC), tf.constant(SCALE)), [
            np.diag(scale) for scale in SCALE
        ]
    tril = tfd.MultivariateNormalTriL(tf.constant(LOC), tf.constant(TRIANGLE))
    return tril, [TRIANGLE] * 3


@pytest.mark.parametrize("kind", ["diagonal", "full"])
def test_a_draw_is_an_affine_map_of_its_noise(kind):
    distribution, matrices = make(kind)
    noise = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    z = from_noise(distribution, noise)
    expected = [
        loc + matrix @ n for loc, matrix, n in zip(LOC, matrices, noise)
    ]
    np.testing.assert_allclose(z, expected, rtol=1e-5)
    np.testing.assert_allclose(to_noise(distribution, z), noise, rtol=1e-4)
    half = from_noise(distribution, noise, tf.constant(0.5))
    np.testing.assert_allclose(half - LOC, (z - LOC) / 2, rtol=1e-5, atol=1e-6)
    # The density of z is that of the noise over the map's volume.
    density = tfd.Normal(0.0, 1.0).log_prob(noise).numpy().sum(axis=1)
    volume = [np.log(np.linalg.det(matrix)) for matrix in matrices]
    np.testing.assert_allclose(
        distribution.log_prob(z), density - volume, rtol=1e-4
    )


def test_zero_noise_is_the_mean():
    distribution, _ = make("diagonal")
    np.testing.assert_array_equal(from_noise(distribution, 0.0), LOC)


def test_all_axes_but_the_first_are_one_event():
    like = tf.zeros([2, 3, 3, 4], tf.bfloat16)
    prior = standard_normal(like, 1.01)
    assert (prior.batch_shape, prior.event_shape) == ([2], [3, 3, 4])
    assert prior.dtype == tf.float32
    np.testing.assert_array_equal(prior.mean(), np.zeros([2, 3, 3, 4]))
    np.testing.assert_array_equal(
        prior.stddev(), np.full([2, 3, 3, 4], np.float32(1.01))
    )


def test_clamp():
    x = tf.constant([1.0, -1.0, 1e-3, 1e6, -1e6])
    expected = [0.986877, -0.986877, 1e-3, 5.0, -5.0]
    np.testing.assert_allclose(clamp5(x), expected, rtol=1e-6)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
