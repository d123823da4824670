"""Tests of N(0, I)."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_vae.errors import UserError
from keras_vae.priors import StandardNormal

SIZE = 3


def test_log_prob_is_that_of_scipy():
    z = np.random.default_rng(0).normal(size=[5, SIZE])
    expected = scipy.stats.norm.logpdf(z).sum(-1)
    found = StandardNormal(SIZE)(tf.constant(z, tf.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_draw_is_the_noise_times_the_temperature():
    prior = StandardNormal(SIZE)
    assert prior.noise_size == SIZE
    noise = np.random.default_rng(1).normal(size=[2, SIZE]).astype(np.float32)
    z = prior.from_noise(tf.constant(noise), tf.constant([0.5, 2.0]))
    np.testing.assert_allclose(z, noise * [[0.5], [2.0]], rtol=1e-6)


@pytest.mark.parametrize("size", [0, -1, 2.5, None])
def test_a_size_that_is_none_is_refused(size):
    with pytest.raises(UserError, match=r"`latent_dim` must .* Received: "):
        StandardNormal(size)


def test_another_precision_is_refused():
    with pytest.raises(UserError, match="float32"):
        StandardNormal(SIZE, dtype="bfloat16")


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
