"""Tests of the statistics of latent dimensions."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.distributions import (
    IndependentBernoulli,
    MultivariateNormalDiag,
    MultivariateNormalTriL,
)
from keras_vae.models import VAE, LatentStatistics, latent_statistics
from keras_vae.networks import DenseDecoder, DenseEncoder
from tests.models.cases import IMAGE, grey_images

ACTIVE = (1, 3)
LATENT_DIM = 4


def linear_vae(layer):
    """Returns a VAE whose code depends on the image in `ACTIVE` alone."""
    model = VAE(
        DenseEncoder(layer(LATENT_DIM), IMAGE, hidden_units=()),
        DenseDecoder(IndependentBernoulli(IMAGE), LATENT_DIM),
    )
    model.build()
    kernel, bias = model.encoder.get_weights()
    random = np.random.default_rng(0)
    kernel[:] = 0.0
    kernel[:, ACTIVE] = random.normal(size=[len(kernel), len(ACTIVE)])
    bias[:] = random.normal(scale=0.5, size=bias.shape)
    bias[0] = 0.0
    model.encoder.set_weights([kernel, bias])
    return model


def batches(images):
    return tf.data.Dataset.from_tensor_slices(images).batch(7)


@pytest.mark.parametrize(
    "layer", [MultivariateNormalDiag, MultivariateNormalTriL]
)
def test_statistics_equal_numpy(layer):
    model = linear_vae(layer)
    images = grey_images(30)
    statistics = latent_statistics(model, batches(images))
    posterior = model.encode(images)
    mean, stddev = posterior.mean().numpy(), posterior.stddev().numpy()
    np.testing.assert_allclose(
        statistics.mean_variance, mean.var(0), rtol=1e-4, atol=1e-5
    )
    kl = 0.5 * (mean**2 + stddev**2 - 1) - np.log(stddev)
    np.testing.assert_allclose(
        statistics.kl_by_dimension, kl.mean(0), rtol=1e-4, atol=1e-5
    )
    assert statistics.active_units == len(ACTIVE)
    assert set(statistics.order[: len(ACTIVE)]) == set(ACTIVE)


def test_kl_adds_up_for_a_diagonal_posterior():
    model = linear_vae(MultivariateNormalDiag)
    images = grey_images(30)
    kl = model.encode(images).kl_divergence(model.prior)
    statistics = latent_statistics(model, batches(images))
    assert statistics.kl_by_dimension.sum() == pytest.approx(
        float(tf.reduce_mean(kl)), rel=1e-5
    )


def test_kl_of_marginals_is_less_for_a_full_covariance():
    model = linear_vae(MultivariateNormalTriL)
    images = grey_images(30)
    kl = model.encode(images).kl_divergence(model.prior)
    statistics = latent_statistics(model, batches(images))
    assert statistics.kl_by_dimension.sum() < float(tf.reduce_mean(kl)) - 1e-3


def test_active_units_are_those_above_a_hundredth():
    statistics = LatentStatistics(
        np.array([0.0, 0.0099, 0.0101, 3.0]), np.array([0.1, 0.0, 2.0, 1.0])
    )
    assert statistics.active_units == 2
    np.testing.assert_array_equal(statistics.order, [2, 3, 0, 1])


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
