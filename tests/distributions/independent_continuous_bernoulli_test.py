"""Tests of keras_vae.distributions.independent_continuous_bernoulli."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import tensorflow as tf

from keras_vae.distributions import IndependentContinuousBernoulli
from tests.distributions.sampling import SEED, within_standard_errors

# Around 0, where the closed forms are 0 / 0; around TFP's switches between
# them and their series; and where exp overflows in float32.
LOGITS = [0.0, 1e-7, 1e-4, 1e-2, 0.1, 0.3, 0.55, 1.0, 5.0, 16.0, 50.0, 1e3, 1e4]
SIGNED = LOGITS + [-logit for logit in LOGITS[1:]]


def moments(logit: float) -> tuple[float, float]:
    """Mean and variance of the density exp(logit x) / Z on [0, 1]."""
    if abs(logit) < 1e-3:
        return 0.5 + logit / 12, 1 / 12
    oracle = scipy.stats.truncexpon(abs(logit), scale=1 / abs(logit))
    mean = 1 - oracle.mean() if logit > 0 else oracle.mean()
    return mean, oracle.var()


@pytest.mark.parametrize("logit", SIGNED)
def test_density_integrates_to_one(logit):
    # Dense where the density of a large logit is concentrated: at an end.
    near = np.geomspace(1e-8, 1.0, 4001)
    x = np.unique(np.concatenate([[0.0], near, 1 - near]))
    if logit > 0:
        x = 1 - x[::-1]
    x = np.unique(x.astype(np.float32)).astype(np.float64)
    px = IndependentContinuousBernoulli(1)(tf.constant([[logit]]))
    log_prob = px.log_prob(x[:, None].astype(np.float32)).numpy()
    area = scipy.integrate.trapezoid(np.exp(log_prob.astype(float)), x)
    # float32 rounds logit * x: the area is as uncertain as that product.
    np.testing.assert_allclose(area, 1.0, rtol=1e-4 + 5e-7 * abs(logit))


@pytest.mark.parametrize("logit", SIGNED)
def test_mean_is_that_of_a_truncated_exponential(logit):
    px = IndependentContinuousBernoulli(1)(tf.constant([[logit]]))
    mean, _ = moments(logit)
    np.testing.assert_allclose(px.mean(), [[mean]], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("logit", [x for x in SIGNED if abs(x) < 80])
def test_variance_is_that_of_a_truncated_exponential(logit):
    px = IndependentContinuousBernoulli(1)(tf.constant([[logit]]))
    _, variance = moments(logit)
    np.testing.assert_allclose(px.variance(), [[variance]], rtol=1e-3)


@pytest.mark.parametrize("logit", SIGNED)
@pytest.mark.parametrize("x", [0.0, 0.3, 1.0])
def test_gradient_is_x_minus_the_mean(logit, x):
    # d log p(x) / dl = x - mean, as in any exponential family.
    logits = tf.constant([[logit]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        log_prob = IndependentContinuousBernoulli(1)(logits).log_prob([[x]])
    assert np.isfinite(log_prob)
    np.testing.assert_allclose(
        tape.gradient(log_prob, logits), [[x - moments(logit)[0]]], atol=1e-5
    )


def test_samples_have_the_mean_and_variance():
    logits = np.float32([[-9.0, -0.5, 0.0, 1.0, 30.0]])
    px = IndependentContinuousBernoulli(5)(logits)
    draws = px.sample(20_000, seed=SEED).numpy()
    assert draws.min() >= 0.0
    assert draws.max() <= 1.0
    assert within_standard_errors(draws, px.mean())
    squares = np.square(draws - px.mean().numpy())
    assert within_standard_errors(squares, px.variance())


def test_entropy_matches_monte_carlo():
    logits = np.float32([-9.0, -0.5, 0.0, 2.0])
    px = IndependentContinuousBernoulli((2, 2))(logits)
    draws = -px.log_prob(px.sample(20_000, seed=SEED))
    assert within_standard_errors(draws, px.entropy())


def test_log_prob_sums_over_the_event():
    logits = np.float32([[[1.0], [-2.0]], [[0.0], [0.5]]])
    x = np.full((2, 1), 0.25, np.float32)
    one = IndependentContinuousBernoulli(1)(logits).log_prob([0.25])
    both = IndependentContinuousBernoulli((2, 1))(logits).log_prob(x)
    np.testing.assert_allclose(both, tf.reduce_sum(one, axis=1), rtol=1e-6)


def test_params_size_is_the_number_of_pixels():
    assert IndependentContinuousBernoulli.params_size((28, 28, 1)) == 784
    assert IndependentContinuousBernoulli((4, 3)).num_params == 12


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
