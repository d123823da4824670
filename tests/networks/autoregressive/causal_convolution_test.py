"""Tests of convolutions that do not look ahead."""

import keras
import numpy as np
import pytest
import scipy.signal
import tensorflow as tf

from keras_vae.networks.autoregressive import CausalConvolution

_CASES = [((3, 5), 1), ((1, 1), 1), ((2, 1), 1), ((1, 3), 2), ((1, 1), 2)]


def _made(kernel_size, axis):
    keras.utils.set_random_seed(2)
    layer = CausalConvolution(4, kernel_size, axis)
    layer.build((None, 5, 6, 3))
    layer.bias.assign(keras.random.normal([4]))
    return layer


def _images():
    random = np.random.default_rng(3)
    return random.normal(size=(2, 5, 6, 3)).astype(np.float32)


@pytest.mark.parametrize(("kernel_size", "axis"), _CASES)
def test_equals_scipy(kernel_size, axis):
    layer, x = _made(kernel_size, axis), _images()
    rows, columns = kernel_size
    side = (columns // 2, columns // 2) if axis == 1 else (columns - 1, 0)
    padded = np.pad(x, [(0, 0), (rows - 1, 0), side, (0, 0)])
    kernel = layer.kernel.numpy()
    expected = [
        [
            sum(
                scipy.signal.correlate2d(
                    image[..., c], kernel[..., c, f], mode="valid"
                )
                for c in range(3)
            )
            for f in range(4)
        ]
        for image in padded
    ]
    expected = np.moveaxis(expected, 1, -1) + layer.bias.numpy()
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kernel_size", "axis"), _CASES)
def test_steps_are_what_a_call_gives(kernel_size, axis):
    layer, x = _made(kernel_size, axis), tf.constant(_images())
    if axis == 2:  # Of one row.
        x = x[:, :1]
    state, parts = layer.start(2, 6), []
    for step in tf.split(x, x.shape[axis], axis):
        y, state = layer.step(step, state)
        parts.append(y)
    np.testing.assert_allclose(tf.concat(parts, axis), layer(x), atol=1e-6)


@pytest.mark.parametrize(
    ("kernel_size", "axis"), [((2, 2), 1), ((2, 3), 2), ((1, 1), 3)]
)
def test_kernels_that_do_not_fit_are_refused(kernel_size, axis):
    with pytest.raises(ValueError, match=rf"kernel_size=.*axis={axis}"):
        CausalConvolution(4, kernel_size, axis)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
