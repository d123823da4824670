"""Tests of the statistics of latent dimensions."""

import functools

import keras
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import seeds
from keras_vae.distributions import (
    IndependentBernoulli,
    MultivariateNormalDiag,
    MultivariateNormalTriL,
)
from keras_vae.flows import InverseAutoregressiveFlow
from keras_vae.models import VAE, LatentStatistics, latent_statistics
from keras_vae.networks import DenseDecoder, DenseEncoder
from keras_vae.priors import GaussianMixture
from tests.models.cases import (
    IMAGE,
    binary_images,
    grey_images,
    make_hierarchical,
    make_nvae,
)

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


def make_flow():
    """Returns a VAE whose posterior goes through a flow."""
    keras.utils.set_random_seed(0)
    return VAE(
        DenseEncoder(InverseAutoregressiveFlow(4, 2, (8,), 3), IMAGE, ()),
        DenseDecoder(IndependentBernoulli(IMAGE), 4),
    )


def batches(images):
    return tf.data.Dataset.from_tensor_slices(images).batch(7)


def test_a_code_far_from_zero_that_is_constant_has_no_variance():
    model = linear_vae(MultivariateNormalDiag)
    kernel, bias = model.encoder.get_weights()
    bias[:LATENT_DIM] = 3000.1
    model.encoder.set_weights([kernel, bias])
    statistics = latent_statistics(model, batches(grey_images(30)))
    mean = model.encode(grey_images(30)).mean().numpy().astype(np.float64)
    np.testing.assert_allclose(
        statistics.mean_variance, mean.var(axis=0), rtol=1e-6, atol=1e-7
    )
    assert tuple(np.flatnonzero(statistics.active)) == ACTIVE


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
    kl = model.encode(images).kl_divergence(model.prior.distribution())
    statistics = latent_statistics(model, batches(images))
    assert statistics.kl_by_dimension.sum() == pytest.approx(
        float(tf.reduce_mean(kl)), rel=1e-5
    )


def test_kl_of_marginals_is_less_for_a_full_covariance():
    model = linear_vae(MultivariateNormalTriL)
    images = grey_images(30)
    kl = model.encode(images).kl_divergence(model.prior.distribution())
    statistics = latent_statistics(model, batches(images))
    mean = float(tf.reduce_mean(kl))
    assert statistics.kl_by_dimension.sum() < mean - 1e-3
    np.testing.assert_allclose(statistics.kl_by_group, [mean], rtol=1e-5)


def test_kl_to_a_mixture_is_that_to_its_marginals():
    prior = GaussianMixture(2, 2)
    model = VAE(
        DenseEncoder(MultivariateNormalDiag(2), IMAGE, hidden_units=()),
        DenseDecoder(IndependentBernoulli(IMAGE), 2),
        prior=prior,
    )
    probs, loc = np.array([0.3, 0.7]), np.array([[-1.0, 2.0], [1.0, 0.0]])
    prior.set_weights([np.log(probs), loc, np.zeros([2, 2])])  # Scales of 1.
    kernel, bias = model.encoder.get_weights()
    bias[:] = [0.5, 1.0, 0.0, 0.0]  # N(0.5, 1) and N(1, 1) for any image.
    model.encoder.set_weights([0.0 * kernel, bias])
    count = 20_000
    images = [tf.zeros([count, *IMAGE])]
    found = latent_statistics(model, images).kl_by_dimension
    x = np.linspace(-9, 11, 20_001)
    for d, mean in enumerate((0.5, 1.0)):
        q = scipy.stats.norm(mean, 1).pdf(x)
        p = scipy.stats.norm(loc[:, d, None], 1).pdf(x)
        ratio = np.log(q / (probs @ p))
        expected = scipy.integrate.trapezoid(q * ratio, x)
        square = scipy.integrate.trapezoid(q * ratio**2, x)
        error = np.sqrt((square - expected**2) / count)
        # Beyond 5.3 sigma once in 10 million.
        assert abs(found[d] - expected) < 5.3 * error


def test_kl_to_a_prior_without_known_marginals_is_none():
    model = linear_vae(MultivariateNormalDiag)
    model.prior.distribution = lambda: tfd.MultivariateStudentTLinearOperator(
        3.0, tf.zeros(4), tf.linalg.LinearOperatorIdentity(4)
    )
    found = latent_statistics(model, batches(grey_images(9)))
    assert np.all(np.isnan(found.kl_by_dimension))
    assert np.isfinite(found.kl_by_group)


def test_active_units_are_those_above_a_hundredth():
    statistics = LatentStatistics(
        np.array([0.0, 0.0099, 0.0101, 3.0]),
        np.array([0.1, 0.0, 2.0, 1.0]),
        np.array([3.3]),
        ((4,),),
    )
    assert (statistics.active_units, statistics.num_units) == (2, 4)
    np.testing.assert_array_equal(statistics.order, [2, 3, 0, 1])
    assert statistics.collapsed_groups == []


def test_one_image_tells_nothing_of_what_varies():
    model = linear_vae(MultivariateNormalDiag)
    found = latent_statistics(model, batches(grey_images(1)))
    assert np.all(np.isnan(found.mean_variance))
    assert found.active_units is None
    assert found.active.all()
    assert latent_statistics(model, batches(grey_images(2))).active_units == 2


def test_active_units_of_a_hierarchy_are_channels():
    kl = np.array([0.2, 0.05, 0.3])
    # Two positions of two channels each: [position][channel].
    below = np.array([[0.06, 0.01], [0.05, 0.02]])
    last = np.array([[0.03, 0.03], [0.01, 0.01]])
    statistics = LatentStatistics(
        np.zeros(11),
        np.concatenate([kl, below.ravel(), last.ravel()]),
        np.array([0.55, 0.14, 0.08]),
        ((3,), (1, 2, 2), (2, 1, 2)),
    )
    # 0.2 and 0.3 on top; 0.11, but not 0.03; not 0.04 twice.
    assert (statistics.active_units, statistics.num_units) == (3, 7)
    assert statistics.collapsed_groups == [2]


@pytest.mark.parametrize(
    "make",
    [
        make_hierarchical,
        make_nvae,
        functools.partial(make_nvae, num_flows=1),
        make_flow,
    ],
)
def test_groups_add_up_to_the_kl_of_the_same_noise(make):
    model = make()
    images = binary_images(10)
    statistics = latent_statistics(model, batches(images))
    total, by_group = 0.0, 0.0
    for index, image in enumerate(batches(images)):
        seed = seeds.fold_in(seeds.from_int(model.seed), index)
        inference = model.infer(image, model.encode(image), seed)
        total += tf.reduce_sum(inference.kl_divergence)
        by_group += np.array(
            [tf.reduce_sum(g.kl_divergence) for g in inference.groups]
        )
    assert len(statistics.kl_by_group) == len(model.group_shapes)
    np.testing.assert_allclose(
        statistics.kl_by_group, by_group / 10, rtol=1e-4, atol=1e-5
    )
    for found in (statistics.kl_by_group, statistics.kl_by_dimension):
        assert found.sum() == pytest.approx(float(total) / 10, rel=1e-4)
    assert len(statistics.mean_variance) == model.latent_dim


def test_group_whose_posterior_is_the_prior_has_collapsed():
    model = make_nvae()
    before = latent_statistics(model, batches(binary_images(10)))
    assert before.collapsed_groups == []
    # A residual of 0 leaves the prior.
    for variable in model.decoder.posteriors[1].trainable_variables:
        variable.assign(tf.zeros(variable.shape))
    statistics = latent_statistics(model, batches(binary_images(10)))
    assert statistics.kl_by_group[1] == pytest.approx(0.0, abs=1e-5)
    assert statistics.collapsed_groups == [1]
    assert statistics.kl_by_group[0] == pytest.approx(before.kl_by_group[0])
    top = before.kl_by_dimension[: len(statistics.kl_by_dimension) // 5]
    expected = np.sum(top.reshape(-1, 2).sum(axis=0) > 0.1)
    assert statistics.active_units == expected


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
