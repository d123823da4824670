"""The log-probability of an image, taken apart into its positions."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions import (
    DiscretizedLogisticMixture,
    IndependentBernoulli,
    IndependentContinuousBernoulli,
    IndependentNormal,
)
from keras_vae.distributions.position_log_prob import position_log_prob

_SHAPE = (2, 3, 3)
_LAYERS = {
    "bernoulli": (IndependentBernoulli, ()),
    "continuous": (IndependentContinuousBernoulli, ()),
    "normal": (IndependentNormal, ("fixed", 0.2)),
    "normal_per_pixel": (IndependentNormal, ("per_pixel", 0.2)),
    "mixture": (DiscretizedLogisticMixture, (2,)),
}


def _likelihood(name):
    layer, arguments = _LAYERS[name]
    layer = layer(_SHAPE, *arguments)
    random = np.random.default_rng(0)
    params = random.normal(size=(2, layer.num_params)).astype(np.float32)
    return layer(params)


def _image(seed=1):
    random = np.random.default_rng(seed)
    levels = random.integers(2, size=(2, *_SHAPE))
    return levels.astype(np.float32)


@pytest.mark.parametrize("name", _LAYERS)
def test_positions_sum_to_the_image(name):
    likelihood, image = _likelihood(name), _image()
    by_position = position_log_prob(likelihood, image)
    assert by_position.shape == (2, *_SHAPE[:2])
    np.testing.assert_allclose(
        tf.reduce_sum(by_position, axis=(1, 2)),
        likelihood.log_prob(image),
        rtol=1e-5,
    )


@pytest.mark.parametrize("name", _LAYERS)
def test_a_position_does_not_depend_on_the_others(name):
    likelihood = _likelihood(name)
    image, other = _image(1), _image(2)
    other[:, 1, 2] = image[:, 1, 2]
    np.testing.assert_array_equal(
        position_log_prob(likelihood, image)[:, 1, 2],
        position_log_prob(likelihood, other)[:, 1, 2],
    )


def test_the_channels_of_a_position_sum_to_one():
    layer = DiscretizedLogisticMixture((1, 1, 3), 2, num_bits=2)
    params = np.random.default_rng(0).normal(size=(1, 1, 1, 20))
    levels = np.stack(np.meshgrid(*[np.arange(4) / 3] * 3), axis=-1)
    images = levels.reshape(-1, 1, 1, 3).astype(np.float32)
    log_prob = position_log_prob(layer(params.astype(np.float32)), images)
    assert float(tf.reduce_logsumexp(log_prob)) == pytest.approx(0, abs=1e-5)


def test_unknown_distributions_are_refused():
    with pytest.raises(TypeError, match="Received: MultivariateNormalDiag"):
        position_log_prob(
            tfd.MultivariateNormalDiag(tf.zeros([2])), tf.zeros([2])
        )


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
