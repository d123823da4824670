"""Tests of keras_vae.distributions.multivariate_normal_tril."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from keras_vae.distributions import (
    MultivariateNormalDiag,
    MultivariateNormalTriL,
)
from keras_vae.errors import UserError
from tests.distributions.sampling import (
    SEED,
    normal_params,
    within_standard_errors,
)


def test_zero_params_are_a_standard_normal():
    qz = MultivariateNormalTriL(3)(tf.zeros([2, 9]))
    np.testing.assert_array_equal(qz.mean(), np.zeros((2, 3)))
    np.testing.assert_allclose(
        qz.covariance(), np.tile(np.eye(3), (2, 1, 1)), atol=1e-6
    )


def test_log_prob_and_entropy_are_scipys():
    qz = MultivariateNormalTriL(3)(normal_params(4, 9))
    z = normal_params(4, 3)
    for i in range(4):
        oracle = scipy.stats.multivariate_normal(
            qz.mean()[i], qz.covariance()[i]
        )
        np.testing.assert_allclose(
            qz.log_prob(z)[i], oracle.logpdf(z[i]), rtol=1e-4
        )
        np.testing.assert_allclose(qz.entropy()[i], oracle.entropy(), rtol=1e-4)


def test_scale_is_the_triangle_of_the_params():
    # [6] fills [[3, 0, 0], [5, 4, 0], [2, 1, 0]]; see fill_triangular.
    params = np.float32([0, 0, 0, 0, 1, 2, 3, 4, 5])
    layer = MultivariateNormalTriL(3, min_scale=0.1)
    scale = layer(params).scale.to_dense().numpy()
    expected = tfp.math.fill_triangular(params[3:]).numpy()
    lower = np.tril_indices(3, -1)
    np.testing.assert_array_equal(scale[lower], expected[lower])
    np.testing.assert_array_equal(scale[np.triu_indices(3, 1)], 0.0)
    raw = np.diag(expected) + np.log(np.expm1(0.9))
    np.testing.assert_allclose(
        np.diag(scale), 0.1 + np.logaddexp(0, raw), rtol=1e-5
    )


def test_kl_to_a_diagonal_normal_is_the_closed_form():
    qz = MultivariateNormalTriL(3)(normal_params(4, 9))
    pz = MultivariateNormalDiag(3)(normal_params(6))
    kl = qz.kl_divergence(pz).numpy()
    var = pz.variance().numpy().astype(float)
    gap = pz.mean().numpy() - qz.mean().numpy()
    for i in range(4):
        cov = qz.covariance()[i].numpy().astype(float)
        closed = 0.5 * (
            np.trace(cov / var)
            + np.sum(gap[i] ** 2 / var)
            - 3
            + np.log(var).sum()
            - np.linalg.slogdet(cov)[1]
        )
        np.testing.assert_allclose(kl[i], closed, rtol=1e-4)
    z = qz.sample(20_000, seed=SEED)
    assert within_standard_errors(qz.log_prob(z) - pz.log_prob(z), kl)


def test_samples_have_the_mean_and_covariance():
    qz = MultivariateNormalTriL(3)(normal_params(2, 9))
    draws = qz.sample(20_000, seed=SEED).numpy()
    assert within_standard_errors(draws, qz.mean())
    gaps = draws - qz.mean().numpy()
    products = gaps[..., :, None] * gaps[..., None, :]
    assert within_standard_errors(products, qz.covariance())


def test_params_size_is_loc_and_triangle():
    assert MultivariateNormalTriL.params_size(4) == 14
    layer = MultivariateNormalTriL(4)
    assert layer.num_params == 14
    assert layer.event_shape == (4,)


@pytest.mark.parametrize("size", [0, -2, 1.5, (3, 3), None])
def test_bad_event_size_is_an_error(size):
    with pytest.raises(UserError, match=r"`event_size` must .* Received: "):
        MultivariateNormalTriL(size)


@pytest.mark.parametrize("min_scale", [-0.1, 1.0])
def test_bad_min_scale_is_an_error(min_scale):
    with pytest.raises(UserError, match=r"`min_scale` must .* Received: "):
        MultivariateNormalTriL(2, min_scale=min_scale)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
