"""Tests of the shift flows."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.networks.nvae import FlowPair, ShiftFlow
from tests.conformance import run_layer_conformance
from tests.networks.cases import as_float32, features, seeded

H, W, L = 4, 3, 2


def strong(layer, seed=0):
    """Builds `layer` and gives it weights that are far from 0."""
    layer.build((None, H, W, L))
    random = np.random.default_rng(seed)
    layer.set_weights(
        [random.normal(size=w.shape) for w in layer.get_weights()]
    )
    return layer


def jacobian(function, z):
    z = tf.constant(z)
    with tf.GradientTape() as tape:
        tape.watch(z)
        y = tf.reshape(function(z), [-1])
    return tape.jacobian(y, z).numpy().reshape(z.shape.num_elements(), -1)


def test_cell_conforms():
    run_layer_conformance(
        lambda: seeded(ShiftFlow, L, mirrored=True),
        lambda: features(4, H, W, L),
        as_float32,
    )


def test_pair_conforms():
    run_layer_conformance(
        lambda: seeded(FlowPair, L), lambda: features(4, H, W, L), as_float32
    )


def test_shift_is_strictly_triangular():
    cell = strong(ShiftFlow(L))
    actual = jacobian(cell.shift, features(1, H, W, L))
    np.testing.assert_array_equal(np.triu(actual), np.zeros_like(actual))
    assert np.any(np.tril(actual, -1))
    # Each number depends on all that come before, where the kernels reach.
    assert np.count_nonzero(actual[L * W + L + 1]) == L * W + L + 1


def test_mirrored_shift_is_strictly_triangular_from_the_last_pixel():
    cell = strong(ShiftFlow(L, mirrored=True))
    actual = jacobian(cell.shift, features(1, H, W, L))
    order = np.arange(H * W * L).reshape(H * W, L)[::-1].ravel()
    actual = actual[order][:, order]
    np.testing.assert_array_equal(np.triu(actual), np.zeros_like(actual))
    assert np.any(np.tril(actual, -1))


def test_pair_preserves_volume():
    pair = strong(FlowPair(L))
    z = features(1, H, W, L)
    for layer in (*pair.cells, pair):
        sign, log_det = np.linalg.slogdet(np.float64(jacobian(layer, z)))
        assert sign == 1
        assert log_det == pytest.approx(0.0, abs=1e-3)


def test_mirrored_cell_is_the_original_turned_by_180_degrees():
    cell, mirrored = strong(ShiftFlow(L)), strong(ShiftFlow(L, mirrored=True))
    mirrored.set_weights(
        [w[::-1, ::-1] if w.ndim == 4 else w for w in cell.get_weights()]
    )
    z = features(2, H, W, L)
    expected = cell(z[:, ::-1, ::-1])[:, ::-1, ::-1]
    np.testing.assert_allclose(mirrored(z), expected, atol=1e-4)
    assert not np.allclose(mirrored(z), cell(z), atol=1e-2)


def test_numbers_of_weights_that_are_read():
    cell = ShiftFlow(20)
    cell.build((None, 8, 8, 20))
    counts = [
        np.count_nonzero(layer.effective_kernel())
        for layer in (cell.expand, cell.mix, cell.project)
    ]
    assert counts == [10740, 1560, 1260]


@pytest.mark.parametrize("channels", [2, 8, 20])
def test_number_of_parameters(channels):
    pair = FlowPair(channels)
    pair.build((None, 4, 4, channels))
    assert pair.count_params() == 120 * channels**2 + 328 * channels


def test_shift_equals_its_formula():
    cell = strong(ShiftFlow(L))
    z = features(2, H, W, L)
    x = tf.nn.conv2d(z, cell.expand.effective_kernel(), 1, "SAME")
    x = tf.nn.depthwise_conv2d(
        tf.nn.elu(x), cell.mix.effective_kernel(), [1] * 4, "SAME"
    )
    x = tf.nn.elu(tf.nn.elu(x))
    x = x @ cell.project.effective_kernel()[0, 0] + cell.project.bias
    np.testing.assert_allclose(cell.shift(z), x, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(cell(z), z - x, rtol=1e-4, atol=1e-4)


def test_initial_gain_of_the_last_convolution_is_a_tenth():
    cell = seeded(ShiftFlow, 20)
    cell.build((None, 4, 4, 20))
    kernel = cell.project.kernel.numpy()[0, 0]
    first = np.log(np.linalg.norm(kernel[:6, 0]) + 0.01)  # Of one block.
    gain = float(cell.project.log_gain[0])
    assert gain == pytest.approx(first + np.log(0.1), rel=1e-5)


def test_leading_axes_are_kept():
    pair = strong(FlowPair(L))
    z = features(3, 2, H, W, L)
    y = pair(z)
    assert y.shape == z.shape
    np.testing.assert_allclose(y[1], pair(z[1]), atol=1e-4)
    np.testing.assert_allclose(y[1, 0], pair(z[1, 0]), atol=1e-4)


def test_latents_stay_float32_under_mixed_precision():
    pair = FlowPair(L, dtype="mixed_bfloat16")
    z = features(2, H, W, L)
    y = pair(z)
    assert y.dtype == tf.float32
    assert pair.cells[0].expand.compute_dtype == "bfloat16"
    # Were z rounded to bfloat16, this would show it: the first number has no
    # input, and the bias is added to it alone.
    bias = pair.cells[0].project.bias[0]
    first = pair.cells[0](z)[:, 0, 0, 0]
    np.testing.assert_allclose(
        first, z[:, 0, 0, 0] - as_bfloat16(bias), atol=1e-7
    )


def as_bfloat16(x):
    return tf.cast(tf.cast(x, tf.bfloat16), tf.float32)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
