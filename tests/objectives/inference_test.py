"""Tests of a pass through a model: terms, bounds and weights."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from keras_vae.objectives import Inference, LatentGroup, kl_divergence
from tests.objectives.cases import (
    LATENT_DIM,
    gaussian,
    standard_normal,
    two_groups,
)

tfd = tfp.distributions


def mixture():
    """Returns a prior to which no closed form of the KL is registered."""
    return tfd.MixtureSameFamily(
        tfd.Categorical(probs=[0.3, 0.7]),
        tfd.MultivariateNormalDiag(
            tf.constant([[-1.0] * LATENT_DIM, [1.0] * LATENT_DIM]),
            tf.ones([2, LATENT_DIM]),
        ),
    )


def test_kl_is_the_closed_form():
    posterior, loc, scale = gaussian(0)
    sample = posterior.sample(seed=[0, 1])
    group = LatentGroup(posterior, standard_normal(), sample)
    # Kingma and Welling (2014), appendix B.
    expected = 0.5 * np.sum(loc**2 + scale**2 - 1 - np.log(scale**2), -1)
    np.testing.assert_allclose(group.kl_divergence, expected, rtol=1e-5)


def test_kl_of_full_covariance_is_the_closed_form():
    random = np.random.default_rng(1)
    tril = np.tril(random.normal(size=[LATENT_DIM] * 2)) + 2 * np.eye(
        LATENT_DIM
    )
    loc = random.normal(size=LATENT_DIM)
    posterior = tfd.MultivariateNormalTriL(
        tf.constant(loc, tf.float32), tf.constant(tril, tf.float32)
    )
    covariance = tril @ tril.T
    expected = 0.5 * (
        np.trace(covariance)
        + loc @ loc
        - LATENT_DIM
        - np.linalg.slogdet(covariance)[1]
    )
    actual = kl_divergence(posterior, standard_normal(), tf.zeros(LATENT_DIM))
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_kl_matches_monte_carlo():
    posterior, _, _ = gaussian(2)
    sample = posterior.sample(20_000, seed=[0, 2])
    group = LatentGroup(posterior, standard_normal(), sample)
    draws = -group.log_ratio.numpy().astype(np.float64)
    error = draws.std(0) / np.sqrt(len(draws))
    # Five images, each beyond 5.3 sigma once in 10 million.
    np.testing.assert_array_less(
        np.abs(draws.mean(0) - group.kl_divergence), 5.3 * error
    )


def test_kl_without_closed_form_is_the_log_ratio_of_the_sample():
    posterior, loc, scale = gaussian(3)
    with pytest.raises(NotImplementedError):
        tfd.kl_divergence(posterior, mixture())
    sample = posterior.sample(7, seed=[0, 3])
    group = LatentGroup(posterior, mixture(), sample)
    z = sample.numpy().astype(np.float64)
    log_q = scipy.stats.norm(loc, scale).logpdf(z).sum(-1)
    parts = [
        np.log(p) + scipy.stats.norm(m, 1).logpdf(z).sum(-1)
        for p, m in [(0.3, -1.0), (0.7, 1.0)]
    ]
    expected = log_q - scipy.special.logsumexp(parts, axis=0)
    assert group.kl_divergence.shape == [7, 5]
    np.testing.assert_allclose(group.kl_divergence, expected, atol=1e-4)


@pytest.mark.parametrize("num_samples", [(), (6,)])
def test_elbo_and_log_weight_are_sums_over_the_groups(num_samples):
    inference = two_groups(num_samples)
    loc = inference.likelihood.mean().numpy()
    log_likelihood = (
        scipy.stats.norm(loc, 0.5).logpdf(inference.image).sum((-1, -2, -3))
    )
    np.testing.assert_allclose(
        inference.log_likelihood, log_likelihood, rtol=1e-4
    )
    kl = sum(group.kl_divergence for group in inference.groups)
    np.testing.assert_allclose(inference.kl_divergence, kl, rtol=1e-6)
    np.testing.assert_allclose(inference.elbo, log_likelihood - kl, rtol=1e-4)
    ratio = sum(
        group.prior.log_prob(group.sample)
        - group.posterior.log_prob(group.sample)
        for group in inference.groups
    )
    assert inference.log_weight.shape == [*num_samples, 5]
    np.testing.assert_allclose(
        inference.log_weight, log_likelihood + ratio, rtol=1e-4
    )


def test_without_latents_all_bounds_are_the_log_likelihood():
    inference = two_groups()
    inference = Inference(inference.image, inference.likelihood, ())
    np.testing.assert_array_equal(inference.kl_divergence, np.zeros(5))
    np.testing.assert_array_equal(inference.elbo, inference.log_likelihood)
    np.testing.assert_array_equal(
        inference.log_weight, inference.log_likelihood
    )


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
