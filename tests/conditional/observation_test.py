"""Masked pixels condition every likelihood on what is observed."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.conditional.observation import MaskedPixels
from keras_vae.distributions import (
    DiscretizedLogisticMixture,
    IndependentBernoulli,
    IndependentContinuousBernoulli,
    IndependentNormal,
)

_SHAPE = (2, 3, 3)
_LAYERS = {
    "bernoulli": IndependentBernoulli(_SHAPE),
    "continuous": IndependentContinuousBernoulli(_SHAPE),
    "normal": IndependentNormal(_SHAPE, "per_pixel", 0.2),
    "mixture": DiscretizedLogisticMixture(_SHAPE, 2),
}
_MISSING = np.array([[[1, 0, 0], [1, 1, 0]], [[0, 0, 0], [0, 0, 1]]])


def _known():
    random = np.random.default_rng(1)
    image = random.integers(2, size=(2, *_SHAPE)).astype(np.float32)
    return MaskedPixels(image, _MISSING.astype(np.float32))


def _likelihood(name):
    layer = _LAYERS[name]
    random = np.random.default_rng(0)
    return layer(random.normal(size=(2, layer.num_params)).astype(np.float32))


@pytest.mark.parametrize("name", _LAYERS)
def test_observed_and_rest_make_the_whole(name):
    known, likelihood = _known(), _likelihood(name)
    image = known.image
    np.testing.assert_allclose(
        known.log_prob(likelihood) + known.rest_log_prob(likelihood, image),
        likelihood.log_prob(image),
        rtol=1e-5,
    )


@pytest.mark.parametrize("name", _LAYERS)
def test_what_is_missing_does_not_matter(name):
    known, likelihood = _known(), _likelihood(name)
    other = np.where(_MISSING[..., np.newaxis], 1 - known.image, known.image)
    changed = MaskedPixels(other, known.missing)
    np.testing.assert_array_equal(
        known.log_prob(likelihood), changed.log_prob(likelihood)
    )


@pytest.mark.parametrize("name", _LAYERS)
def test_draws_and_means_keep_what_is_observed(name):
    known, likelihood = _known(), _likelihood(name)
    missing = _MISSING.astype(bool)
    drawn = known.sample(likelihood, (1, 2)).numpy()
    for image in (drawn, known.mean(likelihood).numpy()):
        np.testing.assert_array_equal(
            image[~missing], known.image.numpy()[~missing]
        )
    np.testing.assert_array_equal(
        known.mean(likelihood).numpy()[missing],
        likelihood.mean().numpy()[missing],
    )
    assert np.any(drawn[missing] != known.image.numpy()[missing])


@pytest.mark.parametrize("name", _LAYERS)
def test_means_are_those_of_draws(name):
    known, likelihood = _known(), _likelihood(name)
    num = 4000
    rows = np.zeros(num, np.int32)
    params = np.random.default_rng(0).normal(size=(2, _LAYERS[name].num_params))
    draws = known.take(rows).sample(
        _LAYERS[name](params[rows].astype(np.float32)), (1, 2)
    )
    found = known.mean(likelihood).numpy()[0]
    error = np.abs(found - draws.numpy().mean(axis=0))
    spread = draws.numpy().std(axis=0)
    # 5.5 standard errors; 1e-3 for the quadrature of a mixture.
    assert np.all(error < 5.5 * spread / num**0.5 + 1e-3)


def test_gaps_are_filled_with_the_guess():
    known = _known()
    filled = known.fill(tf.fill(_SHAPE, 0.25)).numpy()
    missing = _MISSING.astype(bool)
    np.testing.assert_array_equal(filled[missing], 0.25)
    np.testing.assert_array_equal(
        filled[~missing], known.image.numpy()[~missing]
    )
    # Three values of each of the four missing positions.
    assert float(tf.reduce_sum(known.unknown())) == 12


def test_rows_are_taken():
    taken = _known().take(np.array([1, 0, 1]))
    np.testing.assert_array_equal(taken.missing, _MISSING[[1, 0, 1]])
    np.testing.assert_array_equal(taken.image[0], _known().image[1])


def test_all_channels_of_what_is_missing_are_free():
    np.testing.assert_array_equal(_known().num_free(), [9, 3])


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
