"""Tests of Muon against Keras's, SciPy's polar factor and Adam."""

import keras
import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf

from keras_vae.training import Adam, Muon
from keras_vae.training.optimizer import orthogonalised


def _run(optimizer, starts, gradients):
    variables = [keras.Variable(start, dtype="float32") for start in starts]
    optimizer.build(variables)

    @tf.function
    def apply(step):
        optimizer.apply_gradients(zip(step, variables))

    for step in gradients:
        apply([tf.constant(g, tf.float32) for g in step])
        yield [variable.numpy() for variable in variables]


def _draw(*shapes, steps=20):
    random = np.random.RandomState(0)
    starts = [random.randn(*shape) for shape in shapes]
    return starts, [[random.randn(*s) for s in shapes] for _ in range(steps)]


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4)])
def test_takes_the_steps_of_keras(shape):
    starts, gradients = _draw(shape, (4,))
    theirs = keras.optimizers.Muon(
        0.1,
        momentum=0.8,
        adam_beta_1=0.8,
        weight_decay=0.0,
        adam_weight_decay=0.0,
    )
    pairs = zip(
        _run(Muon(0.1, beta_1=0.8), starts, gradients),
        _run(theirs, starts, gradients),
    )
    for ours, expected in pairs:
        for a, b in zip(ours, expected):
            # float32 rounding, which five quintics pass on.
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-4)


def test_a_convolution_is_a_matrix_from_its_window():
    [start], gradients = _draw((3, 3, 2, 4))
    pairs = zip(
        _run(Muon(0.1), [start], gradients),
        _run(
            Muon(0.1),
            [start.reshape(18, 4)],
            [[g.reshape(18, 4)] for [g] in gradients],
        ),
    )
    for [kernel], [matrix] in pairs:
        np.testing.assert_allclose(kernel.reshape(18, 4), matrix, rtol=1e-5)


@pytest.mark.parametrize("shape", [(3, 3, 4, 1), (7, 7, 2), (4,), ()])
def test_what_is_no_matrix_takes_the_steps_of_adam(shape):
    starts, gradients = _draw(shape)
    pairs = zip(
        _run(Muon(0.1), starts, gradients), _run(Adam(0.1), starts, gradients)
    )
    for ours, expected in pairs:
        np.testing.assert_array_equal(ours[0], expected[0])


@pytest.mark.parametrize("shape", [(16, 16), (40, 8), (8, 40)])
def test_orthogonalised_is_near_the_polar_factor(shape):
    """Its singular values are near 1, its singular vectors the matrix's."""
    matrix = np.random.RandomState(1).randn(*shape)
    found = orthogonalised(tf.constant(matrix, tf.float32)).numpy()
    # U^T found V is diagonal, with what the quintic makes of the values.
    u, values, v = np.linalg.svd(matrix, full_matrices=False)
    inner = u.T @ found @ v.T
    known = values > 1e-2 * np.linalg.norm(values)
    assert known.sum() >= 7
    diagonal = np.diag(inner)[known]
    assert diagonal.min() > 0.67 and diagonal.max() < 1.15
    np.testing.assert_allclose(inner - np.diag(np.diag(inner)), 0, atol=1e-3)
    # The polar factor is the nearest orthogonal matrix.
    polar, _ = scipy.linalg.polar(matrix)
    cosine = np.sum(polar * found) / np.linalg.norm(polar)
    assert cosine > 0.95 * np.linalg.norm(found)


@pytest.mark.parametrize("shape", [(40, 20), (20, 40)])
def test_blocks_are_cut_across_the_shorter_side(shape):
    matrix = np.random.RandomState(1).randn(*shape).astype(np.float32)
    axis = shape.index(20)
    found = orthogonalised(tf.constant(matrix), block_size=8).numpy()
    # The fewest of at most 8: 20 = 6 + 7 + 7.
    blocks = np.split(matrix, [6, 13], axis=axis)
    expected = [orthogonalised(tf.constant(b)).numpy() for b in blocks]
    np.testing.assert_allclose(found, np.concatenate(expected, axis), atol=1e-5)


def test_a_matrix_no_wider_than_a_block_stays_whole():
    starts, gradients = _draw((9, 8), (8, 9))
    pairs = zip(
        _run(Muon(0.1, block_size=8), starts, gradients),
        _run(Muon(0.1, block_size=0), starts, gradients),
    )
    for ours, expected in pairs:
        for a, b in zip(ours, expected):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("size", [-1, 8.0, True])
def test_a_block_has_a_whole_size(size):
    with pytest.raises(ValueError, match="block_size must be a whole number"):
        Muon(0.1, block_size=size)


def _share_of_the_length(shape, block_size, spread=None):
    """Returns the step's length as a share of that with U V^T, and SVD's.

    The latter is the quintic's effect on the singular values of each block,
    whose root mean square it is.
    """
    [start], [[gradient]] = _draw(shape, steps=1)
    if spread is not None:
        u, _, v = np.linalg.svd(gradient, full_matrices=False)
        gradient = u * np.geomspace(1.0, spread, min(shape)) @ v
    [[after]] = _run(Muon(0.1, block_size=block_size), [start], [[gradient]])
    length = np.sqrt(np.mean((after - start.astype(np.float32)) ** 2))
    rows = min(shape)
    blocks = np.array_split(
        gradient if rows == shape[0] else gradient.T,
        -(-rows // block_size) if block_size else 1,
    )
    squares = 0.0
    for block in blocks:
        values = np.linalg.svd(block, compute_uv=False)
        values /= np.linalg.norm(values)
        for _ in range(5):
            values = 3.4445 * values - 4.775 * values**3 + 2.0315 * values**5
        squares += np.sum(values**2)
    return length / (0.2 * 0.1), np.sqrt(squares / rows)


@pytest.mark.parametrize(
    ("shape", "block_size", "spread", "share"),
    [
        ((64, 32), 64, None, 0.83),
        ((256, 300), 64, None, 0.84),
        ((784, 256), 0, None, 0.96),
        # Nearly equal singular values, where the quintic gives less than 1.
        ((784, 256), 64, None, 0.77),
        ((784, 256), 0, 0.01, 0.94),
        ((784, 256), 64, 0.01, 0.88),
    ],
)
def test_the_length_of_the_step(shape, block_size, spread, share):
    found, expected = _share_of_the_length(shape, block_size, spread)
    assert found == pytest.approx(expected, rel=2e-3)
    assert found == pytest.approx(share, abs=0.02)
    assert 0.68 < found < 1.14


def test_a_zero_gradient_is_no_division_by_zero():
    [start], gradients = _draw((3, 4), steps=2)
    for [after] in _run(Muon(0.1), [start], 0 * np.array(gradients)):
        np.testing.assert_array_equal(after, start.astype(np.float32))


@pytest.mark.parametrize("scale", np.geomspace(1e-22, 1e-15, 15))
def test_what_is_nearly_zero_moves_nothing(scale):
    """As the gradient of a group of latents that has collapsed.

    Below 1e-18 squares underflow in float32, some before others: a norm that
    lacks them is too small, and the quintic of what it divides diverges.
    """
    matrix = np.random.RandomState(0).randn(64, 256) * scale
    found = orthogonalised(tf.constant(matrix, tf.float32)).numpy()
    assert np.abs(found).max() < 1e-4


@pytest.mark.parametrize("scale", [1e-4, 1e10])
def test_the_step_does_not_depend_on_the_size_of_the_gradient(scale):
    [start], gradients = _draw((8, 16), steps=1)
    [[after]] = _run(Muon(0.1), [start], scale * np.array(gradients))
    [[expected]] = _run(Muon(0.1), [start], gradients)
    np.testing.assert_allclose(after, expected, rtol=1e-3, atol=1e-4)


def test_weight_decay_is_decoupled():
    [start], gradients = _draw((3, 4), steps=1)
    [[plain]] = _run(Muon(0.1), [start], gradients)
    [[decayed]] = _run(Muon(0.1, weight_decay=0.5), [start], gradients)
    # 0.1 * 0.5 of the weights.
    np.testing.assert_allclose(plain - decayed, 0.05 * start, atol=1e-6)


def test_kernels_have_no_second_moment():
    optimizer = Muon()
    kernel, bias = (keras.Variable(np.ones(s)) for s in ((2, 3), (3,)))
    optimizer.build([kernel, bias])
    slots = [v.shape for v in optimizer.variables if "velocity" in v.path]
    assert slots == [(3,)]


def test_config_round_trip():
    optimizer = Muon(0.01, beta_1=0.8, beta_2=0.99, block_size=16)
    config = keras.saving.serialize_keras_object(optimizer)
    restored = keras.saving.deserialize_keras_object(config)
    assert isinstance(restored, Muon)
    assert restored.get_config() == optimizer.get_config()
    assert (restored.beta_1, restored.beta_2) == (0.8, 0.99)
    assert restored.block_size == 16


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
