"""Tests of Adamax against the update in NumPy, and the published form."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.training import Adamax


def _run(optimizer, start, gradients):
    variable = keras.Variable(start, dtype="float32")
    optimizer.build([variable])
    values = []
    for gradient in gradients:
        gradient = tf.constant(gradient, tf.float32)
        optimizer.apply_gradients([(gradient, variable)])
        values.append(variable.numpy())
    return values


def test_takes_the_steps_of_the_specification():
    # Two steps, computed independently of this package.
    optimizer = Adamax(0.01, epsilon=1e-3, l2_penalty=3e-4)
    values = _run(optimizer, [1.0, -2.0], [[0.5, -0.1], [0.2, 0.3]])
    np.testing.assert_allclose(values[0], [0.99001995, -1.99009843], rtol=1e-7)
    np.testing.assert_allclose(values[1], [0.9831828, -1.99375777], rtol=1e-7)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_equals_numpy(decay):
    random = np.random.RandomState(0)
    start = random.randn(3, 5)
    # Tiny ones too, for which epsilon counts.
    sizes = np.array([1e-4, 1e-3, 1e-2, 1.0, 10.0])
    gradients = sizes * random.randn(40, 3, 5)
    arguments = {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3}
    optimizer = Adamax(0.05, l2_penalty=decay, **arguments)
    theta, m, u = start, 0.0, 0.0
    for step, found in enumerate(_run(optimizer, start, gradients), start=1):
        g = gradients[step - 1] + decay * theta
        m = 0.8 * m + 0.2 * g
        u = np.maximum(0.95 * u, np.abs(g) + 1e-3)
        theta = theta - 0.05 / (1 - 0.8**step) * m / u
        np.testing.assert_allclose(found, theta, rtol=1e-4, atol=1e-5)


def test_without_epsilon_it_is_that_of_keras():
    random = np.random.RandomState(1)
    start, gradients = random.randn(6), random.randn(20, 6)
    arguments = {"learning_rate": 0.05, "epsilon": 1e-12}
    ours = _run(Adamax(**arguments), start, gradients)
    theirs = _run(keras.optimizers.Adamax(**arguments), start, gradients)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_zero_gradient_is_no_division_by_zero():
    values = _run(Adamax(0.1), [1.0, 2.0], np.zeros([2, 2]))
    np.testing.assert_array_equal(values, [[1.0, 2.0]] * 2)


def test_variables_may_be_excluded_from_the_decay():
    optimizer = Adamax(0.1, l2_penalty=0.1)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    bias = keras.Variable([1.0], dtype="float32", name="bias")
    kernel = keras.Variable([1.0], dtype="float32", name="kernel")
    optimizer.build([bias, kernel])
    optimizer.apply_gradients([(tf.zeros([1]), bias), (tf.zeros([1]), kernel)])
    assert float(bias.numpy()[0]) == 1.0
    # g = 0.1, u = 0.1 + 0.001.
    assert float(kernel.numpy()[0]) == pytest.approx(1 - 0.1 * 0.1 / 0.101)


def test_config_round_trip():
    optimizer = Adamax(0.01, 0.8, 0.99, 1e-2, l2_penalty=3e-4)
    config = keras.saving.serialize_keras_object(optimizer)
    restored = keras.saving.deserialize_keras_object(config)
    assert isinstance(restored, Adamax)
    assert restored.get_config() == optimizer.get_config()
    assert (restored.beta_1, restored.beta_2) == (0.8, 0.99)
    assert (restored.epsilon, restored.l2_penalty) == (1e-2, 3e-4)


def test_bad_epsilon_is_named():
    with pytest.raises(ValueError, match=r"`epsilon`.*Received: epsilon=0"):
        Adamax(0.1, epsilon=0.0)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
