"""Tests of keras_vae.distributions.independent_bernoulli."""

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from keras_vae.distributions import IndependentBernoulli
from keras_vae.errors import UserError
from tests.distributions.sampling import (
    SEED,
    normal_params,
    within_standard_errors,
)


def test_log_prob_mean_and_variance_are_scipys():
    logits = normal_params(6, 3, 2, scale=3.0)
    x = np.random.default_rng(0).integers(0, 2, logits.shape)
    px = IndependentBernoulli((3, 2))(logits)
    oracle = scipy.stats.bernoulli(1 / (1 + np.exp(-logits.astype(float))))
    np.testing.assert_allclose(
        px.log_prob(x.astype(np.float32)),
        oracle.logpmf(x).sum((1, 2)),
        rtol=1e-5,
        atol=1e-5,
    )
    np.testing.assert_allclose(px.mean(), oracle.mean(), rtol=1e-5)
    np.testing.assert_allclose(px.variance(), oracle.var(), rtol=1e-4)
    np.testing.assert_allclose(
        px.entropy(), oracle.entropy().sum((1, 2)), rtol=1e-4
    )


def test_log_prob_is_minus_tensorflows_cross_entropy():
    # Grey values too: the cross-entropy that autoencoders are trained with.
    logits = normal_params(8, 30, scale=10.0)
    x = np.random.default_rng(0).random(logits.shape, np.float32)
    loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits)
    np.testing.assert_allclose(
        IndependentBernoulli(30)(logits).log_prob(x),
        -tf.reduce_sum(loss, -1),
        rtol=1e-5,
    )


@pytest.mark.parametrize("logit", [-1e4, -105.0, 0.0, 105.0, 1e4])
@pytest.mark.parametrize("x", [0.0, 1.0])
def test_log_prob_and_gradient_are_exact_at_extreme_logits(logit, x):
    logits = tf.constant([[logit]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        log_prob = IndependentBernoulli(1)(logits).log_prob([[x]])
    np.testing.assert_allclose(
        log_prob, [-np.logaddexp(0, -logit if x else logit)], atol=1e-6
    )
    np.testing.assert_allclose(
        tape.gradient(log_prob, logits),
        [[x - scipy.special.expit(logit)]],
        atol=1e-6,
    )


def test_samples_are_binary_with_the_mean():
    px = IndependentBernoulli((2, 2))(normal_params(3, 4, scale=2.0))
    draws = px.sample(20_000, seed=SEED).numpy()
    assert draws.dtype == np.float32
    assert set(np.unique(draws)) == {0.0, 1.0}
    assert within_standard_errors(draws, px.mean())


def test_kl_divergence_matches_the_definition():
    layer = IndependentBernoulli(3)
    p, q = layer(normal_params(5, 3)), layer(normal_params(3, scale=2.0))
    a, b = p.mean().numpy().astype(float), q.mean().numpy().astype(float)
    expected = a * np.log(a / b) + (1 - a) * np.log((1 - a) / (1 - b))
    np.testing.assert_allclose(
        p.kl_divergence(q), expected.sum(-1), rtol=1e-4, atol=1e-5
    )


def test_distribution_can_leave_a_tf_function():
    layer = IndependentBernoulli((2, 2))
    logits = normal_params(3, 4)
    px = tf.function(layer)(logits)
    x = tf.ones([2, 2])
    np.testing.assert_allclose(
        px.log_prob(x), layer(logits).log_prob(x), rtol=1e-6
    )


def test_params_size_is_the_number_of_pixels():
    assert IndependentBernoulli.params_size((28, 28, 1)) == 784
    assert IndependentBernoulli.params_size(5) == 5
    assert IndependentBernoulli((4, 3)).num_params == 12


def test_example_of_the_docstring_runs():
    class Decoder(keras.Model):
        def __init__(self):
            super().__init__()
            size = IndependentBernoulli.params_size((28, 28, 1))
            self.dense = keras.layers.Dense(size)
            self.likelihood = IndependentBernoulli((28, 28, 1))

        def call(self, z):
            return self.likelihood(self.dense(z))

    px = Decoder()(normal_params(2, 8))
    assert px.log_prob(tf.zeros([2, 28, 28, 1])).shape == (2,)
    assert px.mean().shape == (2, 28, 28, 1)


@pytest.mark.parametrize(
    "shape", [(), 0, -1, (3, 0), None, (None, 2), 2.5, "3"]
)
def test_bad_event_shape_is_an_error(shape):
    with pytest.raises(UserError, match=r"`event_shape` must .* Received: "):
        IndependentBernoulli(shape)


def test_draws_from_noise_are_as_probable_as_their_logits_say():
    layer = IndependentBernoulli((1, 1, 2))
    assert layer.noise_size == 2
    logits = tf.constant([[-1.5, 0.7]])
    # Quantiles of uniform noise: the share below p is p.
    u = (np.arange(1000) + 0.5) / 1000
    noise = tf.constant(np.stack([u, u], axis=-1), tf.float32)
    for temperature in (0.5, 1.0, 2.0):
        drawn = layer.from_noise(logits, noise, tf.constant([temperature]))
        expected = scipy.special.expit(logits / temperature)[0]
        np.testing.assert_allclose(np.mean(drawn, axis=0), expected, atol=1e-3)
    coldest = layer.from_noise(logits, noise, tf.constant([0.0]))
    np.testing.assert_array_equal(coldest, np.tile([0.0, 1.0], [1000, 1]))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
