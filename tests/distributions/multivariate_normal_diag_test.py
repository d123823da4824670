"""Tests of keras_vae.distributions.multivariate_normal_diag."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions import MultivariateNormalDiag
from keras_vae.errors import UserError
from tests.distributions.sampling import (
    SEED,
    normal_params,
    within_standard_errors,
)


def standard_normal(size: int) -> tfd.Distribution:
    return tfd.MultivariateNormalDiag(tf.zeros(size))


def test_zero_params_are_a_standard_normal():
    qz = MultivariateNormalDiag(3)(tf.zeros([2, 6]))
    np.testing.assert_array_equal(qz.mean(), np.zeros((2, 3)))
    np.testing.assert_allclose(qz.stddev(), np.ones((2, 3)), rtol=1e-6)
    np.testing.assert_allclose(
        qz.kl_divergence(standard_normal(3)), np.zeros(2), atol=1e-6
    )


def test_log_prob_and_entropy_are_scipys():
    params = normal_params(5, 6)
    qz = MultivariateNormalDiag(3, min_scale=0.1)(params)
    stddev = 0.1 + np.logaddexp(0, params[:, 3:] + np.log(np.expm1(0.9)))
    oracle = scipy.stats.norm(params[:, :3], stddev)
    z = normal_params(5, 3)
    np.testing.assert_allclose(
        qz.log_prob(z), oracle.logpdf(z).sum(-1), rtol=1e-5
    )
    np.testing.assert_allclose(
        qz.entropy(), oracle.entropy().sum(-1), rtol=1e-5
    )
    np.testing.assert_allclose(qz.variance(), oracle.var(), rtol=1e-5)


def test_kl_is_the_closed_form_and_matches_monte_carlo():
    qz = MultivariateNormalDiag(3)(normal_params(4, 6))
    prior = standard_normal(3)
    loc, var = qz.mean().numpy(), qz.variance().numpy()
    closed = 0.5 * (loc**2 + var - 1 - np.log(var)).sum(-1)
    kl = qz.kl_divergence(prior)
    np.testing.assert_allclose(kl, closed, rtol=1e-5)
    z = qz.sample(20_000, seed=SEED)
    assert within_standard_errors(qz.log_prob(z) - prior.log_prob(z), kl)


@pytest.mark.parametrize("raw", [-1e4, -200.0, 0.0, 200.0, 1e4])
def test_kl_and_gradient_are_finite_for_extreme_params(raw):
    params = tf.constant([[0.5, raw]])
    with tf.GradientTape() as tape:
        tape.watch(params)
        qz = MultivariateNormalDiag(1)(params)
        kl = qz.kl_divergence(standard_normal(1))
    assert np.isfinite(kl).all()
    assert np.isfinite(tape.gradient(kl, params)).all()


def test_samples_are_reparameterized_with_the_moments():
    params = tf.constant(normal_params(2, 6))
    layer = MultivariateNormalDiag(3)
    with tf.GradientTape() as tape:
        tape.watch(params)
        qz = layer(params)
        draws = qz.sample(20_000, seed=SEED)
    assert within_standard_errors(draws, qz.mean())
    squares = np.square(draws.numpy() - qz.mean().numpy())
    assert within_standard_errors(squares, qz.variance())
    gradient = tape.gradient(draws, params).numpy()
    np.testing.assert_allclose(gradient[:, :3], 20_000.0)
    assert np.all(gradient[:, 3:])


def test_params_size_is_twice_the_event_size():
    assert MultivariateNormalDiag.params_size(16) == 32
    layer = MultivariateNormalDiag(16)
    assert layer.num_params == 32
    assert layer.event_shape == (16,)


def test_example_of_the_docstring_runs():
    class Encoder(keras.Model):
        def __init__(self, latent_dim):
            super().__init__()
            size = MultivariateNormalDiag.params_size(latent_dim)
            self.dense = keras.layers.Dense(size)
            self.posterior = MultivariateNormalDiag(latent_dim)

        def call(self, features):
            return self.posterior(self.dense(features))

    qz = Encoder(4)(normal_params(2, 8))
    assert qz.sample(seed=SEED).shape == (2, 4)
    assert qz.kl_divergence(standard_normal(4)).shape == (2,)


@pytest.mark.parametrize("size", [0, -2, 1.5, (3, 3), None, True])
def test_bad_event_size_is_an_error(size):
    with pytest.raises(UserError, match=r"`event_size` must .* Received: "):
        MultivariateNormalDiag(size)


@pytest.mark.parametrize("min_scale", [-0.1, 1.0, float("nan")])
def test_bad_min_scale_is_an_error(min_scale):
    with pytest.raises(UserError, match=r"`min_scale` must .* Received: "):
        MultivariateNormalDiag(2, min_scale=min_scale)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
