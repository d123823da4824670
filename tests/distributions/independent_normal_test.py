"""Tests of keras_vae.distributions.independent_normal."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_vae.distributions import IndependentNormal
from keras_vae.errors import UserError
from tests.distributions.sampling import (
    SEED,
    normal_params,
    within_standard_errors,
)

SCALES = ["fixed", "shared", "per_pixel"]
SHAPE = (3, 2)


def test_fixed_scale_is_the_squared_error_and_a_constant():
    loc, x = normal_params(5, 3, 2), normal_params(4, 1, 3, 2)[:, 0][:1]
    px = IndependentNormal(SHAPE, scale_value=0.2)(loc)
    squared_error = np.square(x - loc).sum((1, 2)) / (2 * 0.2**2)
    constant = 6 * np.log(0.2 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(
        -px.log_prob(x), squared_error + constant, rtol=1e-5
    )


@pytest.mark.parametrize("scale", SCALES)
def test_zero_params_give_scale_value(scale):
    layer = IndependentNormal(SHAPE, scale, 0.25, min_scale=0.1)
    px = layer(tf.zeros([2, layer.num_params]))
    np.testing.assert_allclose(px.stddev(), np.full((2, 3, 2), 0.25), rtol=1e-6)
    np.testing.assert_array_equal(px.mean(), np.zeros((2, 3, 2)))


def test_per_pixel_is_scipys():
    layer = IndependentNormal(SHAPE, "per_pixel", 0.5, min_scale=0.1)
    params = normal_params(5, 3, 4)
    offset = np.log(np.expm1(0.4))
    stddev = 0.1 + np.logaddexp(0, params[..., 2:] + offset)
    oracle = scipy.stats.norm(params[..., :2], stddev)
    x = normal_params(3, 2)
    px = layer(params)
    for one in (px, layer(params.reshape(5, 12))):
        np.testing.assert_allclose(
            one.log_prob(x), oracle.logpdf(x).sum((1, 2)), rtol=1e-5
        )
    np.testing.assert_allclose(px.mean(), oracle.mean(), rtol=1e-6)
    np.testing.assert_allclose(px.variance(), oracle.var(), rtol=1e-5)
    np.testing.assert_allclose(
        px.entropy(), oracle.entropy().sum((1, 2)), rtol=1e-4
    )


def test_scale_stays_above_the_floor():
    layer = IndependentNormal(1, "per_pixel", 1.0, min_scale=0.01)
    raw = [[0.0, -1e4], [0.0, -200.0], [0.0, 1e4]]
    stddev = layer(tf.constant(raw)).stddev().numpy().ravel()
    np.testing.assert_allclose(stddev, [0.01, 0.01, 1e4], rtol=1e-3)


def test_a_shared_scale_stays_above_the_floor_too():
    layer = IndependentNormal(2, "shared", 1.0, min_scale=0.05)
    layer.build((None, 2))
    for raw, expected in ((-200.0, 0.05), (0.0, 1.0)):
        layer.raw_scale.assign(raw)
        stddev = layer(tf.zeros([1, 2])).stddev()
        np.testing.assert_allclose(stddev, [[expected] * 2], rtol=1e-5)


def test_shared_scale_is_one_trainable_variable():
    layer = IndependentNormal(SHAPE, "shared", 0.5)
    layer.build((None, 6))
    assert [tuple(v.shape) for v in layer.trainable_variables] == [()]
    assert IndependentNormal(SHAPE, "fixed").weights == []


def test_shared_scale_learns_the_residual():
    # The maximum likelihood scale is the root of the mean squared residual.
    x = normal_params(400, 6, scale=0.3)
    layer = IndependentNormal(6, "shared", 1.0)
    optimizer = keras.optimizers.Adam(0.1)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            px = layer(tf.zeros_like(x))
            loss = -tf.reduce_mean(px.log_prob(x))
        variables = layer.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    layer.build(x.shape)
    optimizer.build(layer.trainable_variables)
    for _ in range(150):
        step()
    px = layer(tf.zeros_like(x))
    np.testing.assert_allclose(
        px.stddev()[0, 0], np.sqrt(np.mean(np.square(x))), rtol=1e-2
    )


@pytest.mark.parametrize("scale", SCALES)
def test_samples_have_the_mean_and_variance(scale):
    layer = IndependentNormal(SHAPE, scale, 0.5)
    px = layer(normal_params(2, layer.num_params))
    draws = px.sample(20_000, seed=SEED).numpy()
    assert within_standard_errors(draws, px.mean())
    squares = np.square(draws - px.mean().numpy())
    assert within_standard_errors(squares, px.variance())


def test_params_size_doubles_for_per_pixel():
    assert IndependentNormal.params_size((4, 4, 3)) == 48
    assert IndependentNormal.params_size((4, 4, 3), "shared") == 48
    assert IndependentNormal.params_size((4, 4, 3), "per_pixel") == 96
    assert IndependentNormal((4, 3), "per_pixel").num_params == 24


def test_unknown_scale_is_an_error():
    with pytest.raises(UserError, match=r"`scale` must be .* 'learned'"):
        IndependentNormal(3, scale="learned")
    with pytest.raises(UserError, match=r"`scale` must be .* 'learned'"):
        IndependentNormal.params_size(3, "learned")


@pytest.mark.parametrize(
    ("scale", "scale_value", "min_scale"),
    [
        ("fixed", 0.0, 1e-3),
        ("fixed", -1.0, 1e-3),
        ("fixed", float("nan"), 1e-3),
        ("shared", 0.1, 0.1),
        ("shared", float("inf"), 0.1),
        ("per_pixel", 1.0, -0.1),
    ],
)
def test_impossible_scale_value_is_an_error(scale, scale_value, min_scale):
    with pytest.raises(UserError, match=r"`scale_value` must .* Received: "):
        IndependentNormal(3, scale, scale_value, min_scale)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
