"""Tests of which output depends on which input."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.errors import UserError
from keras_vae.flows import AutoregressiveNetwork


def make(size, **options):
    keras.utils.set_random_seed(0)
    network = AutoregressiveNetwork(size, **options)
    network.build()
    return network


def jacobian(network, z, context=None):
    with tf.GradientTape() as tape:
        tape.watch(z)
        outputs = network(z, context)
    return tape.jacobian(outputs, z).numpy()  # [size, num_outputs, size]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("units", [(7,), (9, 5)])
def test_an_output_depends_on_all_elements_before_it_and_no_other(
    units, reverse
):
    network = make(5, hidden_units=units, num_outputs=3, reverse=reverse)
    z = tf.constant(np.random.default_rng(0).normal(size=5), tf.float32)
    found = jacobian(network, z)
    for i, j in itertools.product(range(5), range(5)):
        before = j > i if reverse else j < i
        assert np.all((found[i, :, j] != 0) == before), (i, j)


def test_each_output_depends_on_the_context():
    network = make(3, hidden_units=(6, 6), context_size=2)
    context = tf.constant([0.3, -0.7])
    with tf.GradientTape() as tape:
        tape.watch(context)
        outputs = network(tf.ones(3), context)
    assert np.all(np.any(tape.jacobian(outputs, context).numpy() != 0, -1))


def test_leading_axes_share_the_context_of_their_row():
    network = make(3, context_size=2)
    z = tf.random.stateless_normal([4, 5, 3], [0, 1])
    context = tf.random.stateless_normal([5, 2], [0, 2])
    found = network(z, context)
    assert found.shape == [4, 5, 3, 2]
    np.testing.assert_allclose(
        found[2, 3], network(z[2, 3], context[3]), atol=1e-6
    )


def test_a_single_element_has_the_context_alone():
    network = make(1, context_size=2)
    context = tf.ones([1, 2])
    np.testing.assert_array_equal(
        network(tf.zeros([1, 1]), context), network(tf.ones([1, 1]), context)
    )
    assert np.any(network(tf.zeros([1, 1]), context) != 0)


@pytest.mark.parametrize(
    ("name", "value"), [("event_size", 0), ("num_outputs", -1)]
)
def test_sizes_that_are_none_are_refused(name, value):
    with pytest.raises(UserError, match=rf"`{name}` must .* Received: {value}"):
        AutoregressiveNetwork(**{"event_size": 3, name: value})
    with pytest.raises(UserError, match=r"`hidden_units` must .* Received: 0"):
        AutoregressiveNetwork(3, hidden_units=(4, 0))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
