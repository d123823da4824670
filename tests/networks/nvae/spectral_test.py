"""Tests of the spectral and the batch normalisation regularisers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.networks.nvae import (
    BatchNormalization,
    DecoderCell,
    EncoderCell,
    FlowPair,
    SpectralNorms,
    batch_norm_scale_penalty,
    collect,
)
from keras_vae.training import make_strategy
from tests.conformance import check_config
from tests.networks.cases import features, seeded

SHAPES = [(32, 288), (6, 25), (32, 288), (4, 3)]


def matrices(shapes=SHAPES):
    return [
        tf.constant(features(*shape, seed=seed))
        for seed, shape in enumerate(shapes)
    ]


def largest(matrix):
    return np.linalg.svd(matrix, compute_uv=False)[0]


def estimates(num_iterations, num_matrices=50):
    """Returns estimate / sigma_max of Gaussian matrices of one shape."""
    stack = matrices([(32, 288)] * num_matrices)
    norms = seeded(SpectralNorms, num_first_iterations=num_iterations)
    tf.function(lambda: norms(stack, training=True))()
    u, v, w = (
        np.float64(x) for x in (norms.u[0].numpy(), norms.v[0].numpy(), stack)
    )
    values = np.einsum("ni,nij,nj->n", u, w, v)
    return values / [largest(matrix) for matrix in stack]


# Mean and standard deviation of the ratio, measured on 200 such matrices.
RATIOS = {
    4: (0.9274, 0.0265),
    40: (0.9982, 0.0041),
    200: (0.99992, 0.00044),
}


@pytest.mark.parametrize("iterations", RATIOS)
def test_estimate_is_below_the_singular_value_and_approaches_it(iterations):
    ratios = estimates(iterations)
    assert ratios.max() <= 1 + 1e-6
    mean, stddev = RATIOS[iterations]
    five_errors = 5 * stddev / np.sqrt(len(ratios))
    assert ratios.mean() == pytest.approx(mean, abs=five_errors)


def test_sum_over_matrices_of_several_shapes():
    norms = seeded(SpectralNorms, num_first_iterations=300)
    value = norms(matrices(), training=True)
    assert value.dtype == tf.float32
    assert value.shape == ()
    expected = sum(map(largest, matrices()))
    assert float(value) == pytest.approx(expected, rel=1e-4)


def test_gradient_is_the_outer_product_of_the_vectors():
    norms = seeded(SpectralNorms, num_first_iterations=300)
    inputs = matrices()

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = 2.0 * norms(inputs, training=True)
        return tape.gradient(value, inputs)

    for matrix, gradient in zip(inputs, step()):
        u, _, v = np.linalg.svd(matrix)
        expected = 2.0 * np.outer(u[:, 0], v[0])
        np.testing.assert_allclose(gradient, expected, atol=1e-2)


@pytest.mark.parametrize("training", [False, True])
def test_no_gradient_goes_through_the_iterations(training):
    # Far from convergence, where it would not vanish by itself.
    norms = seeded(SpectralNorms, num_first_iterations=1)
    inputs = matrices()
    norms.build(SHAPES)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = norms(inputs, training=training)
    gradients = tape.gradient(value, inputs)
    u, v = norms.u[0].numpy(), norms.v[0].numpy()  # Of matrices 0 and 2.
    for row, index in enumerate([0, 2]):
        expected = np.outer(u[row], v[row])
        np.testing.assert_allclose(gradients[index], expected, atol=1e-6)


def test_first_call_takes_more_iterations():
    inputs = matrices([(32, 288)])
    reference = seeded(SpectralNorms)
    reference.build([(32, 288)])
    u = reference.u[0].numpy()
    norms = seeded(SpectralNorms)
    seen = []
    for _ in range(3):
        norms(inputs, training=True)
        seen.append(norms.u[0].numpy())
    matrix = np.float64(inputs[0])
    for step in range(1, 49):
        v = u @ matrix / np.linalg.norm(u @ matrix)
        u = (matrix @ v[0])[None] / np.linalg.norm(matrix @ v[0])
        if step in (40, 44, 48):
            np.testing.assert_allclose(seen.pop(0), u, atol=1e-4)
    assert not seen


def test_outside_training_the_vectors_stay():
    norms = seeded(SpectralNorms)
    value = norms(matrices(), training=True)
    before = norms.get_weights()
    assert float(norms(matrices())) == pytest.approx(float(value), rel=1e-6)
    for old, new in zip(before, norms.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_initial_vectors_are_random_and_of_length_1():
    norms = seeded(SpectralNorms)
    norms.build(SHAPES)
    for vectors in (*norms.u, *norms.v):
        length = np.linalg.norm(vectors.numpy(), axis=1)
        np.testing.assert_allclose(length, 1.0, rtol=1e-5)
    first, second = norms.u[0].numpy()
    assert abs(np.dot(first, second)) < 0.9
    assert np.abs(norms.u[0].numpy() - norms.v[0].numpy()[:, :32]).max() > 0.1


def test_zero_matrix_has_norm_0():
    norms = SpectralNorms()
    value = norms([tf.zeros([3, 4])], training=True)
    assert float(value) == 0.0


def test_configuration_and_variables():
    norms = SpectralNorms(num_iterations=2, num_first_iterations=5)
    check_config(norms)
    norms.build(SHAPES)
    assert norms.trainable_variables == []
    assert [(v.name, tuple(v.shape)) for v in norms.variables] == [
        ("u_32x288", (2, 32)),
        ("v_32x288", (2, 288)),
        ("u_6x25", (1, 6)),
        ("v_6x25", (1, 25)),
        ("u_4x3", (1, 4)),
        ("v_4x3", (1, 3)),
        ("started", ()),
    ]
    for variable in norms.variables:
        assert variable.aggregation == "only_first_replica"


@keras.saving.register_keras_serializable(package="keras_vae_tests")
class Regularised(keras.Model):
    """A cell, and the norms of its convolutions."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.cell = EncoderCell(8)
        self.norms = SpectralNorms()

    def build(self, input_shape):
        if not self.cell.built:
            self.cell.build(input_shape)
        if not self.norms.built:
            self.norms.build([c.matrix_shape for c in collect(self)[0]])
        self.built = True

    def call(self, x, training=False):
        return self.cell(x, training=training)

    def penalty(self, training=True):
        convolutions, norms = collect(self)
        matrices = [layer.effective_matrix() for layer in convolutions]
        spectral = self.norms(matrices, training=training)
        return spectral + batch_norm_scale_penalty(norms)


def test_vectors_are_saved_with_a_model(tmp_path):
    model = seeded(Regularised)
    model.build((None, 4, 4, 8))
    model.penalty()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.norms.started.numpy()
    for one, two in zip(model.norms.variables, loaded.norms.variables):
        np.testing.assert_array_equal(one, two)
    assert float(loaded.penalty()) == pytest.approx(
        float(model.penalty()), rel=1e-6
    )


def test_gradient_descent_lowers_the_penalty():
    model = seeded(Regularised)
    model.build((None, 4, 4, 8))
    convolutions, norms = collect(model)
    variables = [layer.log_gain.value for layer in convolutions]
    variables += [layer.gamma.value for layer in norms]

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            penalty = model.penalty()
        for variable, gradient in zip(
            variables, tape.gradient(penalty, variables), strict=True
        ):
            variable.assign_sub(0.2 * gradient)
        return penalty

    values = [float(step()) for _ in range(10)]
    assert values[-1] < 0.9 * values[0]


def test_replicas_keep_the_same_vectors():
    single = seeded(Regularised)
    single.build((None, 4, 4, 8))
    strategy = make_strategy("mirrored")
    with strategy.scope():
        mirrored = seeded(Regularised)
        mirrored.build((None, 4, 4, 8))
        mirrored.set_weights(single.get_weights())

    @tf.function
    def penalty():
        return mirrored.penalty()

    for _ in range(2):
        expected = float(single.penalty())
        for value in strategy.experimental_local_results(strategy.run(penalty)):
            assert float(value) == pytest.approx(expected, rel=1e-5)
    for one, two in zip(single.norms.variables, mirrored.norms.variables):
        copies = strategy.experimental_local_results(two.value)
        assert len(copies) == 2
        for copy in copies:
            np.testing.assert_allclose(
                np.float32(copy), np.float32(one), atol=1e-5
            )


def test_batch_norm_penalty_is_the_sum_of_the_largest_scales():
    layers = [BatchNormalization() for _ in range(2)]
    for layer, gamma in zip(layers, ([1.0, -3.0, 2.0], [0.5, 0.25])):
        layer.build((None, 4, 4, len(gamma)))
        layer.gamma.assign(gamma)
    with tf.GradientTape() as tape:
        penalty = batch_norm_scale_penalty(layers)
    assert penalty.dtype == tf.float32
    assert float(penalty) == 3.5
    gradients = tape.gradient(penalty, [layer.gamma.value for layer in layers])
    np.testing.assert_array_equal(gradients[0], [0, -1, 0])
    np.testing.assert_array_equal(gradients[1], [1, 0])
    assert float(batch_norm_scale_penalty([])) == 0.0


@pytest.mark.parametrize(
    ("layer", "num_convolutions", "num_norms"),
    [
        (EncoderCell(8), 2, 2),
        (EncoderCell(8, downsample=True), 6, 2),
        (DecoderCell(8), 3, 4),
        (DecoderCell(4, upsample=True), 4, 4),
        (FlowPair(3), 6, 0),
        (keras.layers.Dense(3), 0, 0),
    ],
)
def test_collect_finds_each_layer_once(layer, num_convolutions, num_norms):
    convolutions, norms = collect(layer)
    assert len(convolutions) == len({id(c) for c in convolutions})
    assert len(convolutions) == num_convolutions
    assert len(norms) == len({id(n) for n in norms}) == num_norms


def test_regularisers_are_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = seeded(Regularised)
        model.build((None, 4, 4, 8))
        penalty = model.penalty()
    finally:
        keras.config.set_dtype_policy("float32")
    assert penalty.dtype == tf.float32
    expected = sum(largest(c.effective_matrix()) for c in collect(model)[0])
    # 40 iterations; each of the two batch normalisations adds 1.
    assert float(penalty) == pytest.approx(expected + 2, rel=0.01)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
