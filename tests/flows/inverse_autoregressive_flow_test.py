"""Tests of the density of an inverse autoregressive flow."""

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from keras_vae.errors import UserError
from keras_vae.flows import InverseAutoregressiveFlow

SIZE = 3
CONTEXT = 4


def make(size=SIZE, batch=5, num_steps=2):
    """Returns a bent distribution, far from its Gaussian."""
    keras.utils.set_random_seed(0)
    layer = InverseAutoregressiveFlow(size, num_steps, (16,), CONTEXT)
    layer.build()
    random = np.random.default_rng(1)
    for variable in layer.trainable_variables:
        variable.assign(variable + 0.3 * random.normal(size=variable.shape))
    params = random.normal(size=[batch, layer.num_params])
    return layer(tf.constant(params, tf.float32))


def test_log_prob_of_a_draw_is_that_of_the_numeric_jacobian():
    """log q(z) = log N(u) - log |det dz/du|, the latter by differences."""
    q = make()
    u = q.base.sample(seed=[0, 1])
    z, log_slope = q.push(u)
    h = 1e-2
    columns = []
    for j in range(SIZE):
        step = h * tf.one_hot(j, SIZE)
        columns.append((q.push(u + step)[0] - q.push(u - step)[0]) / (2 * h))
    jacobian = np.stack(columns, axis=-1).astype(np.float64)
    log_det = np.linalg.slogdet(jacobian)[1]
    np.testing.assert_allclose(np.sum(log_slope, axis=-1), log_det, atol=3e-3)
    gaussian = scipy.stats.norm(q.base.mean(), q.base.stddev())
    expected = gaussian.logpdf(u).sum(-1) - log_det
    drawn, log_prob = q.experimental_sample_and_log_prob(seed=[0, 1])
    np.testing.assert_allclose(drawn, z, atol=1e-6)
    np.testing.assert_allclose(log_prob, expected, atol=5e-3)
    # The steps go in opposite orders: every element moves every other.
    assert np.all(np.abs(jacobian) > 1e-5)


def test_the_density_integrates_to_1():
    q = make(size=2, batch=1, num_steps=2)
    draws = q.sample(2000, seed=[0, 2]).numpy().reshape(-1, 2)
    spread = 4.0 * np.ptp(draws, axis=0)
    low, high = draws.min(0) - spread, draws.max(0) + spread
    axes = [np.linspace(low[i], high[i], 801) for i in range(2)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 1, 2)
    density = np.exp(q.log_prob(tf.constant(grid, tf.float32)).numpy())
    cell = np.prod([axis[1] - axis[0] for axis in axes])
    total = density.astype(np.float64).sum() * cell
    assert total == pytest.approx(1.0, abs=5e-3)


def test_the_inverse_finds_the_gaussian_draw():
    q = make()
    u = q.base.sample(7, seed=[0, 3])
    np.testing.assert_allclose(q.inverse(q.push(u)[0]), u, atol=2e-3)
    z, log_prob = q.experimental_sample_and_log_prob(7, seed=[0, 3])
    np.testing.assert_allclose(q.log_prob(z), log_prob, atol=5e-3)


def test_with_open_gates_it_is_the_gaussian():
    q = make()
    layer = InverseAutoregressiveFlow(SIZE, 2, (16,), CONTEXT)
    layer.build()
    for step in layer.steps:
        for kernel in step.network.kernels:
            kernel.assign(tf.zeros_like(kernel))
        bias = step.network.biases[-1]
        bias.assign(tf.where(tf.range(2 * SIZE) % 2 == 1, 40.0, 0.0))
    params = np.random.default_rng(0).normal(size=[5, layer.num_params])
    q = layer(tf.constant(params, tf.float32))
    z = q.sample(seed=[0, 4])
    np.testing.assert_allclose(z, q.base.sample(seed=[0, 4]), atol=1e-6)
    np.testing.assert_allclose(q.log_prob(z), q.base.log_prob(z), rtol=1e-5)


def test_a_step_closes_a_gate_by_the_formula_of_the_paper():
    layer = InverseAutoregressiveFlow(1, 1, (4,), 1)
    layer.build()
    network = layer.steps[0].network
    for kernel in network.kernels:
        kernel.assign(tf.zeros_like(kernel))
    network.biases[-1].assign([0.5, -1.0])  # m and s, to which 2 is added.
    q = layer(tf.constant([[0.0, 0.0, 0.0]]))
    z, log_slope = q.push(tf.constant([[3.0]]))
    gate = scipy.special.expit(1.0)
    np.testing.assert_allclose(z, [[gate * 3 + (1 - gate) * 0.5]], rtol=1e-6)
    np.testing.assert_allclose(log_slope, [[np.log(gate)]], rtol=1e-6)


def test_shapes_are_those_of_a_distribution_of_tfp():
    q = make()
    assert q.batch_shape == [5]
    assert q.event_shape == [SIZE]
    assert q.sample([2, 3], seed=[0, 5]).shape == [2, 3, 5, SIZE]
    assert q.log_prob(tf.zeros([SIZE])).shape == [5]


@pytest.mark.parametrize("name", ["event_size", "num_steps", "context_size"])
def test_sizes_that_are_none_are_refused(name):
    with pytest.raises(UserError, match=rf"`{name}` must .* Received: 0"):
        InverseAutoregressiveFlow(**{"event_size": 3, name: 0})


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
