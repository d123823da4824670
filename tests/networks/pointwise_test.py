"""Tests of the convolution whose 1x1 case is a matrix product."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.networks.pointwise import Convolution


def pair(*arguments, **kwargs):
    """Returns the layer and Keras's, with the same weights."""
    ours, theirs = (
        make(*arguments, **kwargs)
        for make in (Convolution, keras.layers.Conv2D)
    )
    for layer in (ours, theirs):
        layer.build((None, 6, 4, 5))
    random = np.random.default_rng(0)
    weights = [random.normal(size=w.shape) for w in theirs.get_weights()]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    return ours, theirs


def output_and_gradients(layer, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        loss = tf.reduce_sum(tf.sin(tf.cast(y, tf.float32)))
    variables = [v.value for v in layer.trainable_variables]
    return [y, *tape.gradient(loss, [x, *variables])]


@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": 1, "activation": "elu"},
        {"kernel_size": 1, "use_bias": False},
        {"kernel_size": 1, "padding": "same", "dtype": "mixed_bfloat16"},
        {"kernel_size": 1, "strides": 2},
        {"kernel_size": 3, "padding": "same"},
    ],
)
def test_it_equals_the_convolution_of_keras(arguments):
    ours, theirs = pair(7, **arguments)
    x = tf.random.stateless_normal([3, 6, 4, 5], (1, 2))
    actual = output_and_gradients(ours, x)
    expected = output_and_gradients(theirs, x)
    # bfloat16 has 8 bits, and the sums another order.
    low = "bfloat16" in arguments.get("dtype", "")
    for one, other in zip(actual, expected, strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        np.testing.assert_allclose(
            tf.cast(one, tf.float32),
            tf.cast(other, tf.float32),
            rtol=0.1 if low else 1e-5,
            atol=0.3 if low else 1e-5,
        )


def operations(layer):
    shape = tf.TensorSpec([None, 6, 4, 5])
    graph = tf.function(layer).get_concrete_function(shape).graph
    return {operation.type for operation in graph.get_operations()}


def test_only_a_kernel_of_one_pixel_is_a_matrix():
    assert "Conv2D" not in operations(Convolution(7, 1))
    assert "MatMul" in operations(Convolution(7, 1))
    for other in (Convolution(7, 3), Convolution(7, 1, strides=2)):
        assert "Conv2D" in operations(other)


def test_the_batch_may_be_empty_and_of_any_size():
    layer = Convolution(7, 1)
    assert layer(tf.zeros([0, 6, 4, 5])).shape == [0, 6, 4, 7]
    graph = tf.function(layer).get_concrete_function(
        tf.TensorSpec([None, 6, 4, 5])
    )
    assert graph.outputs[0].shape.as_list() == [None, 6, 4, 7]


def test_it_is_saved_and_loaded():
    layer = Convolution(7, 1, activation="elu", name="first")
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert isinstance(again, Convolution)
    assert again.get_config() == layer.get_config()


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
