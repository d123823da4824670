"""Tests of the residual cells and of what they are made of."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.networks.nvae import (
    BatchNormalization,
    DecoderCell,
    EncoderCell,
    SqueezeExcite,
)
from keras_vae.networks.nvae.resampling import (
    bilinear_upsample,
    nearest_upsample,
    swish,
)
from keras_vae.training import make_strategy
from tests.conformance import run_layer_conformance
from tests.networks.cases import as_float32, features, seeded

C = 8
CELLS = {
    "encoder": (EncoderCell, C, {}),
    "encoder_down": (EncoderCell, 2 * C, {"downsample": True}),
    "decoder": (DecoderCell, C, {"expansion": 2}),
    "decoder_up": (DecoderCell, C // 2, {"expansion": 3, "upsample": True}),
}
EPSILON = 1e-5


def make_cell(case, **more):
    cell, filters, options = CELLS[case]
    return seeded(cell, filters, **options, **more)


def randomised(layer, shape, seed=0):
    """Builds `layer` and gives all its variables random values."""
    layer.build(shape)
    random = np.random.default_rng(seed)
    layer.set_weights(
        [
            random.uniform(0.5, 1.5, w.shape)
            if "variance" in variable.name or "gamma" in variable.name
            else 0.3 * random.normal(size=w.shape)
            for w, variable in zip(layer.get_weights(), layer.variables)
        ]
    )
    return layer


@pytest.mark.parametrize("case", ["encoder_down", "decoder_up"])
def test_cell_conforms(case):
    run_layer_conformance(
        lambda: make_cell(case), lambda: features(4, 4, 4, C), as_float32
    )


@pytest.mark.parametrize("layer", [(BatchNormalization,), (SqueezeExcite, C)])
def test_part_conforms(layer):
    run_layer_conformance(
        lambda: seeded(*layer), lambda: features(4, 4, 4, C), as_float32
    )


def squeeze_excite_params(channels):
    hidden = max(channels // 16, 4)
    return 2 * channels * hidden + hidden + channels


def num_trainable(layer):
    return sum(v.numpy().size for v in layer.trainable_variables)


@pytest.mark.parametrize("channels", [8, 128])
def test_number_of_parameters(channels):
    def check(layer, expected):
        layer.build((None, 4, 4, channels))
        assert num_trainable(layer) == expected

    c, e, square = channels, 6, channels**2
    se = squeeze_excite_params(c)
    check(SqueezeExcite(c), se)
    check(BatchNormalization(), 2 * c)
    check(EncoderCell(c), 2 * (9 * square + 4 * c) + se)
    reduce = 2 * square + 4 * c
    units = 18 * square + 6 * c + 36 * square + 8 * c
    check(
        EncoderCell(2 * c, downsample=True),
        reduce + units + squeeze_excite_params(2 * c),
    )
    inside = 4 * e * c + 25 * e * c
    check(DecoderCell(c, e), 4 * c + 2 * e * square + inside + se)
    skip = square // 2 + c // 2
    branch = 2 * c + e * square + inside + e * square // 2 + c
    check(
        DecoderCell(c // 2, e, upsample=True),
        skip + branch + squeeze_excite_params(c // 2),
    )


# What the specification of each cell says, in its order of operations.


def by_hand(norm, x, training):
    if training:
        mean, variance = tf.nn.moments(x, (0, 1, 2))
    else:
        mean, variance = norm.moving_mean, norm.moving_variance
    centred = (x - mean) / np.sqrt(variance + EPSILON)
    return centred * norm.gamma + norm.beta


def encoder_by_hand(cell, x, training):
    y = x
    for norm, convolution in zip(cell.norms, cell.convolutions):
        y = convolution(swish(by_hand(norm, y, training)))
    skip = cell.skip(x) if cell.downsample else x
    return skip + 0.1 * cell.squeeze_excite(y)


def decoder_by_hand(cell, x, training):
    y = nearest_upsample(x) if cell.upsample else x
    first, second, third, fourth = cell.norms
    y = cell.expand(by_hand(first, y, training))
    y = cell.mix(swish(by_hand(second, y, training)))
    y = cell.project(swish(by_hand(third, y, training)))
    y = cell.squeeze_excite(by_hand(fourth, y, training))
    if not cell.upsample:
        return x + 0.1 * y
    return cell.skip.convolution(bilinear_upsample(x)) + 0.1 * y


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("case", CELLS)
def test_cell_equals_its_formula(case, training):
    x = features(3, 4, 6, C)
    cell = randomised(make_cell(case), x.shape)
    expected = (encoder_by_hand if "encoder" in case else decoder_by_hand)(
        cell, x, training
    )
    y = cell(x, training=training)
    assert y.shape == cell.compute_output_shape(x.shape)
    np.testing.assert_allclose(y, expected, atol=1e-4)


@pytest.mark.parametrize("case", ["encoder", "decoder"])
def test_branch_is_scaled_and_the_skip_is_not(case):
    x = features(2, 4, 4, C)
    cell = randomised(make_cell(case), x.shape)
    larger = make_cell(case, residual_scale=0.3)
    larger.build(x.shape)
    larger.set_weights(cell.get_weights())
    np.testing.assert_allclose(larger(x) - x, 3 * (cell(x) - x), atol=1e-5)
    silent = make_cell(case, residual_scale=0.0)
    np.testing.assert_array_equal(silent(x), x)


def test_squeeze_excite_equals_its_formula():
    layer = randomised(SqueezeExcite(64), (None, 4, 4, 64))
    x = features(2, 4, 4, 64)
    (w1, b1), (w2, b2) = layer.reduce.get_weights(), layer.expand.get_weights()
    hidden = np.maximum(x.mean(axis=(1, 2)) @ w1 + b1, 0)
    assert hidden.shape == (2, 4)  # 64 / 16
    scale = 1 / (1 + np.exp(-(hidden @ w2 + b2)))
    np.testing.assert_allclose(layer(x), x * scale[:, None, None], atol=1e-5)


def test_squeeze_excite_starts_within_the_fan_in_bounds():
    layer = seeded(SqueezeExcite, 400)
    layer.build((None, 4, 4, 400))
    for dense, fan_in in [(layer.reduce, 400), (layer.expand, 25)]:
        bound = 1 / np.sqrt(fan_in)
        for values in dense.get_weights():
            assert 0.7 * bound < np.abs(values).max() <= bound


def test_batch_norm_equals_its_formula_and_moves_its_averages():
    layer = randomised(BatchNormalization(), (None, 4, 4, C))
    x = 3.0 * features(5, 4, 4, C) + 2.0
    moving = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    expected = by_hand(layer, x, True)
    np.testing.assert_allclose(layer(x, training=True), expected, atol=1e-4)
    batch = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2), ddof=1)
    for variable, old, new in zip(
        (layer.moving_mean, layer.moving_variance), moving, batch
    ):
        np.testing.assert_allclose(variable, 0.95 * old + 0.05 * new, rtol=1e-4)


def test_batch_norm_starts_at_a_twentieth_of_the_batch_mean():
    layer = BatchNormalization()
    x = features(5, 4, 4, C) + 1.0
    layer(x, training=True)
    np.testing.assert_allclose(
        layer.moving_mean, 0.05 * x.mean(axis=(0, 1, 2)), rtol=1e-4
    )


def test_batch_norm_changes_nothing_outside_training():
    layer = randomised(BatchNormalization(), (None, 4, 4, C))
    x = features(2, 4, 4, C)
    before = layer.get_weights()
    y = layer(x)
    np.testing.assert_allclose(y, by_hand(layer, x, False), atol=1e-5)
    np.testing.assert_array_equal(layer(x, training=False), y)
    for old, new in zip(before, layer.get_weights()):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("training", [False, True])
def test_batch_norm_has_float32_statistics(training):
    layer = BatchNormalization(dtype="mixed_bfloat16")
    exact = BatchNormalization()
    # Far from 0: the mean of bfloat16 numbers is not one of them.
    x = as_float32(tf.cast(features(8, 4, 4, C) + 9.0, tf.bfloat16))
    y, expected = layer(x, training=training), exact(x, training=training)
    assert y.dtype == tf.bfloat16
    np.testing.assert_allclose(as_float32(y), expected, atol=0.02, rtol=0.005)
    for variable, other in zip(layer.variables, exact.variables):
        assert variable.dtype == "float32"
        np.testing.assert_allclose(variable, other, rtol=1e-5, atol=1e-6)


def gradients(layer, x, weights):
    """Returns loss, input gradient and variable gradients of a step."""
    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(as_float32(layer(x, training=True)) * weights)
    sources = [x, *(v.value for v in layer.trainable_variables)]
    return [loss, *tape.gradient(loss, sources)]


def close(expected, actual, tolerance=1e-4):
    for one, two in zip(expected, actual, strict=True):
        one, two = np.asarray(one), np.asarray(two)
        scale = max(1.0, np.abs(one).max())
        np.testing.assert_allclose(two, one, atol=tolerance * scale)


@pytest.mark.parametrize(
    ("case", "graph"),
    [*((case, False) for case in CELLS), ("decoder_up", True)],
)
def test_recomputing_changes_nothing(case, graph):
    x = features(4, 4, 4, C)
    plain, again = make_cell(case), make_cell(case, recompute=True)
    randomised(plain, x.shape)
    again.build(x.shape)
    again.set_weights(plain.get_weights())
    weights = features(*plain.compute_output_shape(x.shape), seed=1)
    step = tf.function(gradients) if graph else gradients
    expected, actual = step(plain, x, weights), step(again, x, weights)
    assert all(np.any(np.asarray(part)) for part in actual)
    close(expected, actual)
    # The moving averages have moved, and once.
    close(plain.get_weights(), again.get_weights(), 1e-6)
    for norm in again.norms:
        assert np.abs(norm.moving_mean).max() > 1e-3


def test_recomputing_runs_the_cell_again_in_the_backward_pass(monkeypatch):
    calls = []
    branch = EncoderCell.branch

    def counted(self, x, normalize):
        calls.append(self.recompute)
        return branch(self, x, normalize)

    monkeypatch.setattr(EncoderCell, "branch", counted)
    x = features(2, 4, 4, C)
    for recompute in (False, True):
        gradients(make_cell("encoder", recompute=recompute), x, 1.0)
    assert calls == [False, True, True]
    make_cell("encoder", recompute=True)(x, training=False)
    assert len(calls) == 4


@pytest.mark.parametrize(
    ("case", "recompute"),
    [("encoder_down", False), ("encoder", True), ("decoder_up", True)],
)
def test_two_replicas_are_one_in_training(case, recompute):
    x = features(4, 4, 4, C)
    x[:2] += 2.0  # The two halves have other statistics.
    single = randomised(make_cell(case), x.shape)
    strategy = make_strategy("mirrored")
    with strategy.scope():
        mirrored = make_cell(case, recompute=recompute)
        mirrored.build(x.shape)
        mirrored.set_weights(single.get_weights())
    weights = features(*single.compute_output_shape(x.shape), seed=1)
    expected = gradients(single, x, weights)

    def shares(array):
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(
                np.split(array, 2)[context.replica_id_in_sync_group]
            )
        )

    @tf.function
    def step(x, weights):
        return gradients(mirrored, x, weights)

    loss, of_input, *of_variables = [
        [np.asarray(part) for part in strategy.experimental_local_results(one)]
        for one in strategy.run(step, args=(shares(x), shares(weights)))
    ]
    actual = [sum(loss), np.concatenate(of_input), *map(sum, of_variables)]
    close(expected, actual)
    close(single.get_weights(), mirrored.get_weights(), 1e-5)


def test_cell_under_mixed_precision_is_finite_in_training():
    for case in CELLS:
        cell = make_cell(case, recompute=True, dtype="mixed_bfloat16")
        for part in gradients(cell, features(4, 4, 4, C), 1.0):
            assert np.isfinite(np.asarray(part)).all()


def test_wrong_number_of_channels_is_named():
    for cell in (EncoderCell(6), DecoderCell(6), DecoderCell(2, upsample=True)):
        with pytest.raises(ValueError, match="takes [46] channels.*Received"):
            cell.build((None, 4, 4, 8))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
