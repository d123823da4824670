"""Tests of what halves and doubles the resolution."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.networks.nvae import BilinearUpsample, FactorizedReduce
from keras_vae.networks.nvae.resampling import (
    bilinear_upsample,
    nearest_upsample,
    swish,
)
from tests.conformance import run_layer_conformance
from tests.networks.cases import as_float32, features, seeded


@pytest.mark.parametrize(
    "layer", [(FactorizedReduce, 10), (BilinearUpsample, 3)]
)
def test_layer_conforms(layer):
    run_layer_conformance(
        lambda: seeded(*layer), lambda: features(4, 4, 6, 5), as_float32
    )


def test_bilinear_in_one_dimension():
    x = np.reshape([0.0, 1.0], [1, 1, 2, 1]).astype(np.float32)
    y = bilinear_upsample(x)
    assert y.shape == [1, 2, 4, 1]
    for row in y[0, :, :, 0]:
        np.testing.assert_allclose(row, [0, 1 / 3, 2 / 3, 1], atol=1e-6)
    y = bilinear_upsample(tf.transpose(x, [0, 2, 1, 3]))
    np.testing.assert_allclose(y[0, :, 1, 0], [0, 1 / 3, 2 / 3, 1], atol=1e-6)


def test_bilinear_equals_interpolation_by_numpy():
    x = features(2, 4, 3, 5)
    rows, columns = np.linspace(0, 3, 8), np.linspace(0, 2, 6)
    y = np.apply_along_axis(lambda line: np.interp(rows, range(4), line), 1, x)
    y = np.apply_along_axis(
        lambda line: np.interp(columns, range(3), line), 2, y
    )
    np.testing.assert_allclose(bilinear_upsample(x), y, atol=1e-5)


def test_bilinear_of_one_pixel_repeats_it():
    x = features(2, 1, 1, 3)
    np.testing.assert_array_equal(
        bilinear_upsample(x), np.tile(x, [1, 2, 2, 1])
    )


def test_nearest_repeats_each_pixel():
    x = features(2, 3, 2, 4)
    expected = x.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(nearest_upsample(x), expected)


def test_swish():
    x = features(100)
    np.testing.assert_allclose(swish(x), x / (1 + np.exp(-x)), atol=1e-6)


def test_bilinear_upsample_is_interpolation_and_then_convolution():
    layer = seeded(BilinearUpsample, 3)
    x = features(2, 4, 6, 6)
    y = layer(x)
    assert y.shape == layer.compute_output_shape(x.shape) == (2, 8, 12, 3)
    np.testing.assert_allclose(
        y, layer.convolution(bilinear_upsample(x)), atol=1e-5
    )


@pytest.mark.parametrize("channels", [4, 10])
def test_number_of_parameters(channels):
    up = BilinearUpsample(channels // 2)
    up.build((None, 4, 4, channels))
    assert up.count_params() == channels**2 // 2 + channels // 2
    down = FactorizedReduce(2 * channels)
    down.build((None, 4, 4, channels))
    assert down.count_params() == 2 * channels**2 + 4 * channels


def test_factorized_reduce_reads_each_pixel_once():
    layer = seeded(FactorizedReduce, 8)
    x = tf.constant(features(1, 6, 4, 3))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = layer(x)
        parts = tf.split(tf.reduce_sum(y, axis=(1, 2)), 4, axis=-1)
        sums = [tf.reduce_sum(part) for part in parts]
    read = [
        np.any(tape.gradient(value, x).numpy()[0] != 0, axis=-1)
        for value in sums
    ]
    np.testing.assert_array_equal(np.sum(read, axis=0), np.ones([6, 4]))
    corners = [tuple(np.argwhere(mask)[0]) for mask in read]
    assert corners == [(0, 0), (1, 1), (0, 1), (1, 0)]


def test_factorized_reduce_equals_its_formula():
    layer = seeded(FactorizedReduce, 9)
    x = features(2, 4, 6, 5)
    y = layer(x)
    assert y.shape == layer.compute_output_shape(x.shape) == (2, 2, 3, 9)
    # The fourth part has the three channels that are left, 9 - 3 * 2.
    last = layer.convolutions[3]
    kernel = last.effective_kernel()[0, 0]
    pixel = swish(x)[:, 1::2, 0::2]
    np.testing.assert_allclose(
        y[..., 6:], pixel @ kernel + last.bias, atol=1e-5
    )


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="must be even.*Received: .*5, 4, 3"):
        FactorizedReduce(8).build((None, 5, 4, 3))
    with pytest.raises(ValueError, match="`filters`.*Received: filters=3"):
        FactorizedReduce(3)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
