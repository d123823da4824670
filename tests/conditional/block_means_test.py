"""Means of blocks: against enumeration, and against the joint Gaussian."""

import itertools

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.conditional.block_means import (
    BlockMeans,
    block_means,
    check_factor,
)
from keras_vae.distributions import (
    DiscretizedLogisticMixture,
    IndependentBernoulli,
    IndependentContinuousBernoulli,
    IndependentNormal,
)
from keras_vae.errors import UserError

_SHAPE = (2, 4, 1)
_RANDOM = np.random.default_rng(0)
_LOGITS = _RANDOM.normal(size=(1, *_SHAPE)).astype(np.float32)
_LOC = _RANDOM.uniform(size=(1, *_SHAPE))
_SCALE = _RANDOM.uniform(0.1, 0.5, size=(1, *_SHAPE))
# The mean of the four pixels of each of the two blocks.
_TO_MEANS = np.kron(np.ones([1, 2]) / 4, np.kron(np.eye(2), np.ones([1, 2])))


def _bernoulli():
    return IndependentBernoulli(_SHAPE)(_LOGITS)


def _normal():
    return tfd.Independent(
        tfd.Normal(_LOC.astype(np.float32), _SCALE.astype(np.float32)), 3
    )


def _known(means, num=1):
    means = np.reshape(np.asarray(means, np.float32), [1, 1, 2, 1])
    return BlockMeans(np.repeat(means, num, axis=0), 2)


def _flat_log_probs():
    """Returns all images and log p of each, under `_bernoulli`."""
    bits = np.array(list(itertools.product([0, 1], repeat=8)))
    logits = _LOGITS.reshape(-1).astype(np.float64)
    return bits, (bits * logits - np.logaddexp(0, logits)).sum(axis=1)


def test_blocks_are_averaged_channel_by_channel():
    image = _RANDOM.uniform(size=(2, 4, 6, 3)).astype(np.float32)
    found = block_means(image, 2)
    assert found.shape == (2, 2, 3, 3)
    np.testing.assert_allclose(
        found[1, 1, 2], image[1, 2:4, 4:6].mean(axis=(0, 1)), rtol=1e-6
    )


def test_bernoulli_pixels_are_conditioned_exactly():
    bits, log_probs = _flat_log_probs()
    agrees = (np.abs(bits @ _TO_MEANS.T - [0.25, 0.75]) < 1e-6).all(axis=1)
    total = scipy.special.logsumexp(log_probs[agrees])
    known = _known([0.25, 0.75])
    np.testing.assert_allclose(known.log_prob(_bernoulli()), [total], rtol=1e-5)
    image = bits[agrees][3].reshape(1, *_SHAPE).astype(np.float32)
    np.testing.assert_allclose(
        known.rest_log_prob(_bernoulli(), image),
        log_probs[agrees][3:4] - total,
        rtol=1e-4,
    )
    weights = np.exp(log_probs[agrees] - total)
    np.testing.assert_allclose(
        known.mean(_bernoulli()).numpy().reshape(-1),
        weights @ bits[agrees],
        atol=1e-5,
    )


def test_bernoulli_draws_agree_and_have_the_right_frequencies():
    num = 20_000
    likelihood = IndependentBernoulli(_SHAPE)(np.repeat(_LOGITS, num, axis=0))
    known = _known([0.25, 0.75], num)
    image = known.sample(likelihood, (1, 2)).numpy()
    np.testing.assert_allclose(block_means(image, 2), known.low_resolution)
    bits, log_probs = _flat_log_probs()
    agrees = (np.abs(bits @ _TO_MEANS.T - [0.25, 0.75]) < 1e-6).all(axis=1)
    number = image.reshape(num, -1).astype(int) @ 2 ** np.arange(7, -1, -1)
    expected = np.exp(log_probs[agrees])
    expected *= num / expected.sum()
    counts = np.bincount(number, minlength=256)[agrees]
    assert counts.sum() == num
    assert scipy.stats.chisquare(counts, expected).pvalue > 1e-6


def _gaussian_given(means):
    """Returns log p(m), and mean and covariance of x given m, float64."""
    loc, variance = _LOC.reshape(-1), np.diag(_SCALE.reshape(-1) ** 2)
    of_means = _TO_MEANS @ variance @ _TO_MEANS.T
    gain = variance @ _TO_MEANS.T @ np.linalg.inv(of_means)
    log_prob = scipy.stats.multivariate_normal(
        _TO_MEANS @ loc, of_means
    ).logpdf(means)
    rest = means - _TO_MEANS @ loc
    return log_prob, loc + gain @ rest, variance - gain @ _TO_MEANS @ variance


def test_normal_pixels_are_conditioned_exactly():
    means = np.array([0.3, 0.8])
    log_prob, mean, covariance = _gaussian_given(means)
    known = _known(means)
    np.testing.assert_allclose(known.log_prob(_normal()), [log_prob], rtol=1e-5)
    np.testing.assert_allclose(
        known.mean(_normal()).numpy().reshape(-1), mean, rtol=1e-5
    )
    # The density of three pixels of each block; the fourth follows.
    x = np.random.default_rng(3).multivariate_normal(mean, covariance)
    kept = [0, 1, 2, 3, 4, 6]
    density = scipy.stats.multivariate_normal(
        mean[kept], covariance[np.ix_(kept, kept)]
    )
    image = x.reshape(1, *_SHAPE).astype(np.float32)
    np.testing.assert_allclose(
        known.rest_log_prob(_normal(), image),
        [density.logpdf(x[kept])],
        rtol=1e-3,
    )


def test_normal_draws_have_the_conditional_moments():
    num, means = 20_000, np.array([0.3, 0.8])
    _, mean, covariance = _gaussian_given(means)
    scale = np.repeat(_SCALE, num, axis=0).astype(np.float32)
    likelihood = tfd.Independent(tfd.Normal(_LOC.astype(np.float32), scale), 3)
    image = _known(means, num).sample(likelihood, (4, 5)).numpy()
    np.testing.assert_allclose(
        block_means(image, 2)[:, 0, :, 0], np.tile(means, [num, 1]), atol=1e-5
    )
    x = image.reshape(num, -1)
    deviation = np.sqrt(np.diag(covariance))
    error = (x.mean(axis=0) - mean) / deviation * np.sqrt(num)
    assert np.abs(error).max() < 5.5
    spread = np.outer(deviation, deviation) * np.sqrt(2 / num)
    assert np.abs((np.cov(x.T) - covariance) / spread).max() < 6


def test_a_shared_scale_is_broadcast():
    likelihood = IndependentNormal(_SHAPE, "fixed", 0.3)(_LOGITS)
    mean = _known([0.1, 0.9]).mean(likelihood).numpy()
    np.testing.assert_allclose(
        block_means(mean, 2).reshape(-1), [0.1, 0.9], atol=1e-6
    )


def test_an_image_to_begin_with_has_the_means():
    known = _known([0.25, 0.75])
    image = known.fill(tf.zeros(_SHAPE)).numpy()
    np.testing.assert_array_equal(
        image[0, :, :, 0], [[0.25, 0.25, 0.75, 0.75]] * 2
    )
    assert known.unknown().shape == image.shape


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_blocks_of_one_colour_are_known(factor):
    random = np.random.default_rng(0)
    image = np.ones([3, 4 * factor, 2 * factor, 2], np.float32)
    image[1] = 0.0
    # Some blocks, of some channels, have a pixel of the other colour.
    mixed = random.uniform(size=[3, 4, 2, 2]) < 0.4
    image[:, ::factor, factor - 1 :: factor][mixed] = 0.5
    known = BlockMeans(block_means(image, factor), factor)
    wanted = np.repeat(np.repeat(mixed, factor, axis=1), factor, axis=2)
    np.testing.assert_array_equal(known.unknown(), wanted)


def test_a_density_is_of_all_pixels_but_one_of_each_block():
    known = BlockMeans(tf.fill([2, 3, 4, 3], 0.5), 2)
    np.testing.assert_array_equal(known.num_free(), [3 * 4 * 3 * 3] * 2)


@pytest.mark.parametrize("layer", ["mixture", "continuous"])
def test_other_likelihoods_are_refused_with_a_way_out(layer):
    layers = {
        "mixture": DiscretizedLogisticMixture(_SHAPE, 1),
        "continuous": IndependentContinuousBernoulli(_SHAPE),
    }
    likelihood = layers[layer](tf.zeros([1, layers[layer].num_params]))
    with pytest.raises(UserError, match="--downsampling=decimate"):
        _known([0.25, 0.75]).log_prob(likelihood)


@pytest.mark.parametrize("factor", [1, 3, 9])
def test_factors_that_do_not_fit_are_refused(factor):
    with pytest.raises(UserError, match=f"Received: factor={factor}"):
        check_factor(factor, (28, 28))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
