"""Tests of the residual networks."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.distributions import IndependentBernoulli, MultivariateNormalDiag
from keras_vae.networks import ResidualBlock, ResidualDecoder, ResidualEncoder
from keras_vae.networks.residual import DepthToSpace, SpaceToDepth
from tests.networks.cases import shapes


def features(batch=4, size=6, channels=8):
    random = np.random.default_rng(0)
    return random.normal(size=[batch, size, size, channels]).astype(np.float32)


def test_moving_patches_into_channels_and_back_changes_nothing():
    x = features()
    small = SpaceToDepth()(x)
    assert small.shape == [4, 3, 3, 32]
    # The four pixels of the first patch are the first output's channels.
    patch = x[:, :2, :2].reshape(4, -1)
    np.testing.assert_array_equal(small[:, 0, 0], patch)
    np.testing.assert_array_equal(DepthToSpace()(small), x)


@pytest.mark.parametrize("layer", [SpaceToDepth(), DepthToSpace()])
def test_output_shape_is_the_one_computed(layer):
    x = features()
    assert layer.compute_output_shape(x.shape) == layer(x).shape


def test_block_adds_to_its_input():
    block = ResidualBlock(8, 4)
    x = features()
    block(x)
    block.expand.kernel.assign(tf.zeros(block.expand.kernel.shape))
    np.testing.assert_array_equal(block(x), x)
    block.expand.bias.assign(tf.range(8.0))
    np.testing.assert_allclose(block(x), x + np.arange(8.0), atol=1e-6)


def test_block_equals_its_formula():
    block = ResidualBlock(8, 4, activation="elu")
    x = features()
    actual = block(x)
    (k1, b1), (k3, b3), (k2, b2) = [
        layer.get_weights() for layer in (block.reduce, block.mix, block.expand)
    ]
    inner = tf.nn.elu(x @ k1[0, 0] + b1)
    inner = tf.nn.elu(tf.nn.conv2d(inner, k3, 1, "SAME") + b3)
    np.testing.assert_allclose(actual, x + inner @ k2[0, 0] + b2, atol=1e-5)


def test_gain_scales_the_initial_weights():
    # The bounds of uniform weights: sqrt(3 gain^2 / fan).
    block = ResidualBlock(400, 200, gain=0.1)
    block.build((None, 4, 4, 400))
    bound = np.sqrt(3 * 0.1**2 / 300)
    largest = np.abs(block.expand.kernel.numpy()).max()
    assert 0.999 * bound < largest <= bound


def test_encoder_halves_the_image_at_each_scale():
    encoder = ResidualEncoder(
        MultivariateNormalDiag(5),
        (28, 28, 1),
        filters=(4, 6),
        num_blocks=(1, 2),
        dense_units=9,
    )
    assert shapes(encoder, np.zeros([2, 28, 28, 1], np.float32)) == [
        (2, 14, 14, 4),  # Space to depth.
        (2, 14, 14, 4),
        (2, 14, 14, 4),  # One block.
        (2, 7, 7, 6),
        (2, 7, 7, 6),  # Two blocks.
        (2, 7, 7, 6),
        (2, 7, 7, 16),
        (2, 7 * 7 * 16),
        (2, 9),
        (2, 10),
    ]


def test_decoder_doubles_the_image_at_each_scale():
    decoder = ResidualDecoder(
        IndependentBernoulli((28, 28, 1)),
        5,
        filters=(4, 6),
        num_blocks=(1, 0),
        dense_units=9,
    )
    assert shapes(decoder, np.zeros([2, 5], np.float32)) == [
        (2, 9),
        (2, 7 * 7 * 16),
        (2, 7, 7, 16),
        (2, 7, 7, 6),
        (2, 7, 7, 16),
        (2, 14, 14, 4),  # Depth to space.
        (2, 14, 14, 4),  # One block.
        (2, 14, 14, 4),
        (2, 14, 14, 4),
        (2, 28, 28, 1),
    ]


def test_lists_of_different_length_are_named():
    for network, argument in [
        (ResidualEncoder, (28, 28, 1)),
        (ResidualDecoder, 2),
    ]:
        with pytest.raises(ValueError, match=r"`num_blocks`.*Received: "):
            network(
                IndependentBernoulli((28, 28, 1)),
                argument,
                filters=(4, 4),
                num_blocks=(1,),
            )


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
