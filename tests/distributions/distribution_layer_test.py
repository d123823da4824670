"""Tests of keras_vae.distributions.distribution_layer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.distributions import (
    DistributionLayer,
    IndependentBernoulli,
    IndependentNormal,
    MultivariateNormalDiag,
)
from keras_vae.errors import UserError
from tests.distributions.sampling import normal_params


@pytest.mark.parametrize("leading", [(), (5,), (3, 5), (2, 3, 5), (0, 5)])
def test_any_number_of_leading_axes(leading):
    layer = IndependentNormal((4, 3, 2), "per_pixel")
    params = normal_params(*leading, 4, 3, 4)
    structured, flat = layer(params), layer(params.reshape(*leading, 48))
    assert structured.batch_shape == flat.batch_shape == leading
    assert structured.event_shape == flat.event_shape == (4, 3, 2)
    np.testing.assert_array_equal(structured.mean(), params[..., :2])
    np.testing.assert_array_equal(flat.mean(), structured.mean())
    np.testing.assert_array_equal(flat.stddev(), structured.stddev())


def test_two_unknown_leading_axes():
    layer = IndependentBernoulli((4, 3))
    spec = tf.TensorSpec([None, None, 12])
    mean = tf.function(lambda x: layer(x).mean(), input_signature=[spec])
    assert mean(normal_params(2, 5, 12)).shape == (2, 5, 4, 3)
    assert mean(normal_params(0, 5, 12)).shape == (0, 5, 4, 3)


def test_unknown_spatial_axes_of_a_convolution():
    layer = IndependentBernoulli((4, 4, 1))
    spec = tf.TensorSpec([None, None, None, 1])
    mean = tf.function(lambda x: layer(x).mean(), input_signature=[spec])
    assert mean(normal_params(2, 4, 4, 1)).shape == (2, 4, 4, 1)


def test_one_by_one_pixel_takes_the_structured_form_alone():
    layer = IndependentBernoulli((1, 1, 6))
    assert layer(tf.zeros([2, 1, 1, 6])).batch_shape == (2,)
    with pytest.raises(UserError, match=r"shape \[\.\.\., 1, 1, 6\]: "):
        layer(tf.zeros([2, 6]))


@pytest.mark.parametrize("shape", [(5, 11), (5, 3, 4), (2,), (5, 2, 3)])
def test_params_of_another_size_are_an_error(shape):
    message = r"`params` of IndependentBernoulli .*\[\.\.\., 4, 3\] or "
    message += r"\[\.\.\., 12\].*Received: shape"
    with pytest.raises(UserError, match=message):
        IndependentBernoulli((4, 3))(tf.zeros(shape))


def test_bfloat16_params_give_a_float32_distribution():
    params = tf.cast(normal_params(5, 6), tf.bfloat16)
    qz = MultivariateNormalDiag(3)(params)
    assert qz.dtype == tf.float32
    assert qz.log_prob(tf.zeros([3])).dtype == tf.float32


def test_log_prob_is_precise_under_mixed_precision():
    old = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = IndependentNormal(3, "shared")
        x = np.float32([[1.001, 0.0, 0.0]])  # bfloat16 would round it to 1.
        log_prob = layer(np.float32([[0.999, 0.0, 0.0]])).log_prob(x)
    finally:
        keras.config.set_dtype_policy(old)
    assert layer.dtype_policy.name == "float32"
    assert layer.raw_scale.dtype == "float32"
    expected = -0.5 * 0.002**2 - 1.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(log_prob, [expected], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed_float16"])
def test_another_dtype_is_an_error(dtype):
    with pytest.raises(UserError, match=f"`dtype` .* Received: '{dtype}'"):
        IndependentBernoulli(3, dtype=dtype)


def test_base_class_is_abstract():
    with pytest.raises(NotImplementedError, match="params_size"):
        DistributionLayer.params_size(3)
    with pytest.raises(NotImplementedError, match="make_distribution"):
        DistributionLayer(3).make_distribution(tf.zeros([2, 3]))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
