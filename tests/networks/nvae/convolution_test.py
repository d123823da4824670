"""Tests of the weight-normalised, depthwise and masked convolution."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.networks.nvae import WeightNormConv2D
from keras_vae.networks.nvae.convolution import autoregressive_mask
from tests.conformance import run_layer_conformance
from tests.networks.cases import as_float32, features, seeded

C, F, K = 6, 8, 3


def built(*args, channels=C, **kwargs):
    layer = seeded(WeightNormConv2D, *args, **kwargs)
    layer.build((None, 8, 8, channels))
    return layer


CASES = {
    "stride_2": (F, K, {"strides": 2}),
    "plain": (F, 1, {"use_bias": False, "weight_norm": False}),
    "depthwise": (C, 5, {"depthwise": True}),
    "inclusive_mirrored": (C // 2, K, {"mask": "inclusive", "mirrored": True}),
}


@pytest.mark.parametrize("case", CASES)
def test_layer_conforms(case):
    filters, size, options = CASES[case]
    run_layer_conformance(
        lambda: seeded(WeightNormConv2D, filters, size, **options),
        lambda: features(4, 6, 6, C),
        as_float32,
    )


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({}, K * K * C * F + 2 * F),
        ({"use_bias": False}, K * K * C * F + F),
        ({"use_bias": False, "weight_norm": False}, K * K * C * F),
        ({"mask": "exclusive", "filters": 2 * C}, K * K * C * 2 * C + 4 * C),
        ({"depthwise": True, "filters": C}, K * K * C + 2 * C),
    ],
)
def test_number_of_parameters(options, count):
    options = {"filters": F, "kernel_size": K, **options}
    assert built(**options).count_params() == count


@pytest.mark.parametrize(
    "options",
    [{"filters": F}, {"filters": C, "depthwise": True}],
    ids=["dense", "depthwise"],
)
def test_norm_of_each_output_channel_is_its_gain(options):
    # The weights are so large that the 1e-5 in the quotient does not show.
    layer = built(kernel_size=K, **options)
    layer.kernel.assign(features(*layer.kernel.shape))
    gain = np.linspace(-2, 2, layer.filters).astype(np.float32)
    layer.log_gain.assign(gain)
    norm = np.linalg.norm(layer.effective_matrix(), axis=1)
    np.testing.assert_allclose(norm, np.exp(gain), rtol=1e-4)
    before = layer.effective_kernel()
    layer.kernel.assign(7.0 * layer.kernel)
    np.testing.assert_allclose(layer.effective_kernel(), before, atol=1e-4)


def test_effective_kernel_equals_its_formula():
    layer = built(F, K)
    kernel, log_gain = layer.kernel.numpy(), layer.log_gain.numpy()
    norm = np.sqrt(np.sum(np.float64(kernel) ** 2, axis=(0, 1, 2)))
    np.testing.assert_allclose(log_gain, np.log(norm + 0.01), rtol=1e-5)
    np.testing.assert_allclose(
        layer.effective_kernel(),
        np.exp(log_gain) * kernel / (norm + 1e-5),
        rtol=1e-5,
    )


def test_matrix_has_one_row_for_each_output_channel():
    layer = built(F, K, weight_norm=False)
    kernel = layer.kernel.numpy()
    matrix = layer.effective_matrix().numpy()
    assert matrix.shape == layer.matrix_shape == (F, K * K * C)
    for row in range(F):
        np.testing.assert_array_equal(matrix[row], kernel[..., row].ravel())
    layer = built(C, 5, depthwise=True, weight_norm=False)
    matrix = layer.effective_matrix().numpy()
    assert matrix.shape == layer.matrix_shape == (C, 25)
    np.testing.assert_array_equal(
        matrix[2], layer.kernel.numpy()[:, :, 2, 0].ravel()
    )


@pytest.mark.parametrize(
    ("options", "fan_in"),
    [
        ({"filters": 64, "kernel_size": 3}, 9 * 40),
        ({"filters": 40, "kernel_size": 5, "depthwise": True}, 25),
        ({"filters": 80, "kernel_size": 3, "mask": "exclusive"}, 9 * 40),
    ],
    ids=["dense", "depthwise", "masked"],
)
def test_initial_weights_are_uniform_within_the_fan_in_bound(options, fan_in):
    layer = built(channels=40, **options)
    bound = 1.0 / np.sqrt(fan_in)
    for values, slack in [(layer.kernel, 0.99), (layer.bias, 0.7)]:
        largest = np.abs(values.numpy()).max()
        assert slack * bound < largest <= bound
        # Five standard errors of a uniform variable's standard deviation.
        error = 5 * 0.45 / np.sqrt(values.numpy().size)
        stddev = values.numpy().std() * np.sqrt(3) / bound
        assert stddev == pytest.approx(1.0, abs=error)


def test_initial_gain_is_that_of_the_masked_kernel_and_the_offset():
    layer = built(2 * C, K, mask="exclusive")
    shifted = built(2 * C, K, mask="exclusive", initial_log_gain_offset=-2.0)
    masked = layer.kernel * autoregressive_mask((K, K, C, 2 * C), False)
    expected = np.log(np.linalg.norm(masked, axis=(0, 1)).T ** 2)
    norm = np.sqrt(np.exp(expected).sum(axis=1))
    np.testing.assert_allclose(layer.log_gain, np.log(norm + 0.01), rtol=1e-5)
    np.testing.assert_allclose(
        shifted.log_gain, layer.log_gain - 2.0, rtol=1e-5
    )


@pytest.mark.parametrize("size", [1, 3, 5])
def test_stride_2_takes_every_second_output_of_stride_1(size):
    x = features(2, 8, 6, C)
    dense, half = built(F, size), built(F, size, strides=2)
    half.set_weights(dense.get_weights())
    assert half.compute_output_shape(x.shape) == (2, 4, 3, F)
    np.testing.assert_allclose(half(x), dense(x)[:, ::2, ::2], atol=1e-5)


def test_depthwise_convolves_each_channel_by_itself():
    layer = built(C, 5, depthwise=True)
    x = features(2, 6, 6, C)
    kernel = layer.effective_kernel()
    one = tf.nn.conv2d(x[..., 3:4], kernel[:, :, 3:4], 1, "SAME")
    np.testing.assert_allclose(
        layer(x)[..., 3], one[..., 0] + layer.bias[3], atol=1e-5
    )


# What a 3x3 kernel reads of the pixels, first without the centre's channels.
BEFORE = np.array([[1, 1, 1], [1, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("mirrored", [False, True])
def test_mask_by_hand(mirrored):
    pixels = BEFORE[::-1, ::-1] if mirrored else BEFORE
    for inclusive in (False, True):
        mask = autoregressive_mask((3, 3, 2, 4), inclusive, mirrored)
        # Outputs 0 and 1 are block 0, which belongs to input 0.
        centre = [[inclusive, inclusive, 1, 1], [0, 0, inclusive, inclusive]]
        for i in range(2):
            for o in range(4):
                expected = pixels.copy()
                expected[1, 1] = centre[i][o]
                np.testing.assert_array_equal(mask[:, :, i, o], expected)
    depthwise = autoregressive_mask((3, 3, 5, 1), True, mirrored)
    expected = pixels.copy()
    expected[1, 1] = 1
    np.testing.assert_array_equal(depthwise[:, :, 4, 0], expected)


def test_mask_of_fewer_outputs_than_inputs():
    # Output i reads the blocks of three inputs up to its own.
    mask = autoregressive_mask((1, 1, 6, 2), inclusive=True)[0, 0]
    np.testing.assert_array_equal(mask.T, [[1, 1, 1, 0, 0, 0], [1] * 6])


def test_kernel_is_float32_and_output_the_compute_dtype():
    layer = seeded(WeightNormConv2D, F, K, dtype="mixed_bfloat16")
    x = features(2, 8, 8, C)
    assert layer(x).dtype == tf.bfloat16
    assert layer.effective_kernel().dtype == tf.float32
    exact = seeded(WeightNormConv2D, F, K)
    exact.build(x.shape)
    exact.set_weights(layer.get_weights())
    # Eight bits of mantissa in input and kernel.
    np.testing.assert_allclose(as_float32(layer(x)), exact(x), atol=0.03)


def test_layer_can_be_built_in_a_graph():
    layer = WeightNormConv2D(F, K)
    x = features(2, 8, 8, C)
    y = tf.function(lambda x: layer(x))(x)
    np.testing.assert_allclose(y, layer(x), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel_size": 4}, "`kernel_size` must be odd.*Received: .*4"),
        ({"mask": "B"}, "`mask` must be.*Received: mask='B'"),
        ({"mask": "exclusive", "depthwise": True}, "`mask` must be.*Received"),
        ({"depthwise": True}, "depthwise.*Received: filters=8 and 6"),
        ({"mask": "exclusive"}, "divide.*Received: filters=8 and 6"),
    ],
)
def test_what_does_not_fit_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        built(**{"filters": F, "kernel_size": K, **options})


def test_empty_row_of_a_mask_has_finite_gradients():
    layer = built(C, 1, mask="exclusive", use_bias=False)  # Output 0 is empty.
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(tf.square(layer(features(1, 2, 2, C))))
    for gradient in tape.gradient(y, [v.value for v in layer.variables]):
        assert np.isfinite(gradient).all()


def test_variables_keep_their_names():
    names = [variable.name for variable in built(F, K).variables]
    assert names == ["kernel", "log_gain", "bias"]


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
