"""Tests of the mixture of Gaussians."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from keras_vae.errors import UserError
from keras_vae.priors import GaussianMixture

LOGITS = np.array([0.3, -1.0, 0.8])
LOC = np.array([[-2.0, 0.5], [1.0, 1.0], [3.0, -1.0]])
RAW = np.array([[0.5, -0.5], [-1.0, 0.0], [0.2, 1.0]])
# softplus(raw + c) with c such that raw = 0 gives 1, above a floor of 0.001.
SCALE = 1e-3 + np.log1p(np.exp(RAW + np.log(np.expm1(1 - 1e-3))))


def mixture():
    prior = GaussianMixture(2, 3)
    prior.build()
    prior.set_weights([LOGITS, LOC, RAW])
    return prior


def test_log_prob_is_that_of_scipy():
    z = np.random.default_rng(0).normal(scale=2.0, size=[6, 2])
    parts = scipy.stats.norm(LOC, SCALE).logpdf(z[:, None]).sum(-1)
    weights = scipy.special.log_softmax(LOGITS)
    expected = scipy.special.logsumexp(weights + parts, axis=1)
    found = mixture()(tf.constant(z, tf.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_draws_have_the_moments_of_the_density():
    prior, count = mixture(), 40_000
    assert prior.noise_size == 3
    noise = tf.random.stateless_normal([count, 3], [0, 1])
    z = prior.from_noise(noise, tf.ones([count])).numpy().astype(np.float64)
    w = scipy.special.softmax(LOGITS)[:, None]
    mean = (w * LOC).sum(0)
    variance = (w * (SCALE**2 + LOC**2)).sum(0) - mean**2
    # Each beyond 5.3 sigma once in 10 million.
    np.testing.assert_array_less(
        np.abs(z.mean(0) - mean), 5.3 * np.sqrt(variance / count)
    )
    error = ((z - mean) ** 2).std(0) / np.sqrt(count)
    np.testing.assert_array_less(np.abs(z.var(0) - variance), 5.3 * error)


def test_without_temperature_a_draw_is_the_mean_of_its_component():
    noise = tf.random.stateless_normal([50, 3], [0, 2])
    z = mixture().from_noise(noise, tf.zeros([50])).numpy()
    np.testing.assert_allclose(np.unique(z, axis=0), LOC, rtol=1e-6)


def test_a_row_alone_gives_the_same_draw():
    noise = tf.random.stateless_normal([5, 3], [0, 3])
    prior, temperature = mixture(), tf.linspace(0.5, 1.5, 5)
    together = prior.from_noise(noise, temperature)
    alone = prior.from_noise(noise[2:3], temperature[2:3])
    np.testing.assert_array_equal(together[2:3], alone)


@pytest.mark.parametrize("count", [0, -3, 1.5])
def test_no_components_are_refused(count):
    with pytest.raises(UserError, match=r"`num_components` .* Received: "):
        GaussianMixture(2, count)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
