"""Tests of what all encoders and decoders have in common."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.distributions import (
    IndependentBernoulli,
    IndependentContinuousBernoulli,
    IndependentNormal,
    MultivariateNormalDiag,
    MultivariateNormalTriL,
)
from keras_vae.networks import DenseDecoder, DenseEncoder
from tests.networks.cases import DECODERS, ENCODERS, IMAGE, LATENT_DIM

LIKELIHOODS = {
    "bernoulli": lambda: IndependentBernoulli(IMAGE),
    "continuous_bernoulli": lambda: IndependentContinuousBernoulli(IMAGE),
    "normal_fixed": lambda: IndependentNormal(IMAGE, "fixed", 0.1),
    "normal_shared": lambda: IndependentNormal(IMAGE, "shared", 0.1),
    "normal_per_pixel": lambda: IndependentNormal(IMAGE, "per_pixel", 0.1),
}


def images(seed=0, batch=4):
    random = np.random.default_rng(seed)
    return random.uniform(size=(batch, *IMAGE)).astype(np.float32)


@pytest.mark.parametrize("name", ENCODERS)
def test_encoder_returns_one_posterior_for_each_image(name):
    encoder = ENCODERS[name]()
    posterior = encoder(images())
    assert posterior.batch_shape == [4]
    assert posterior.event_shape == [LATENT_DIM]
    assert encoder.latent_dim == LATENT_DIM
    assert encoder.image_shape == IMAGE


@pytest.mark.parametrize("name", ENCODERS)
def test_encoder_depends_on_each_image_alone(name):
    encoder = ENCODERS[name]()
    whole = encoder(images()).mean()
    alone = encoder(images()[2:3]).mean()
    np.testing.assert_allclose(whole[2:3], alone, atol=1e-5)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("name", DECODERS)
def test_decoder_takes_any_leading_axes(name, likelihood):
    decoder = DECODERS[name](LIKELIHOODS[likelihood]())
    z = np.random.default_rng(1).normal(size=[5, 2, 3, LATENT_DIM])
    z = z.astype(np.float32)
    many, flat = decoder(z), decoder(z.reshape(-1, LATENT_DIM))
    assert many.batch_shape == [5, 2, 3]
    assert many.event_shape == IMAGE
    x = images(batch=3)
    expected = flat.log_prob(np.tile(x, [10, 1, 1, 1]))
    np.testing.assert_allclose(
        many.log_prob(x), tf.reshape(expected, [5, 2, 3]), rtol=1e-4
    )


def test_decoder_takes_leading_axes_of_unknown_size():
    decoder = DECODERS["convolutional"](LIKELIHOODS["normal_per_pixel"]())

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, LATENT_DIM], tf.float32)]
    )
    def means(z):
        return decoder(z).mean()

    z = np.random.default_rng(1).normal(size=[2, 3, LATENT_DIM])
    z = z.astype(np.float32)
    np.testing.assert_allclose(means(z), decoder(z).mean(), atol=1e-5)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("name", DECODERS)
def test_output_mean_is_the_mean_before_training(name, likelihood):
    decoder = DECODERS[name](LIKELIHOODS[likelihood]())
    decoder.build()
    for variable in decoder.trainable_variables:
        if variable is not decoder.output_bias and variable.ndim:
            variable.assign(tf.zeros(variable.shape))
    mean = 0.05 + 0.9 * images(batch=1)[0]
    decoder.set_output_mean(mean)
    z = np.random.default_rng(2).normal(size=[2, LATENT_DIM])
    actual = decoder(z.astype(np.float32)).mean()
    np.testing.assert_allclose(actual, np.stack([mean, mean]), atol=1e-4)


@pytest.mark.parametrize("name", DECODERS)
def test_output_mean_takes_black_and_white(name):
    decoder = DECODERS[name]()
    decoder.build()
    decoder.set_output_mean(np.zeros(IMAGE))
    assert np.isfinite(decoder.output_bias.numpy()).all()


@pytest.mark.parametrize("name", DECODERS)
def test_output_bias_is_float32_in_mixed_precision(name):
    decoder = DECODERS[name](dtype="mixed_bfloat16")
    mean = decoder(np.zeros([1, LATENT_DIM], np.float32)).mean()
    assert mean.dtype == tf.float32
    assert decoder.output_bias.dtype == "float32"
    decoder.output_bias.assign(tf.fill(decoder.output_bias.shape, 1.001))
    moved = decoder(np.zeros([1, LATENT_DIM], np.float32)).mean()
    # bfloat16 would round 1.001 to 1; the network itself gives 0 at z = 0.
    np.testing.assert_allclose(moved, np.full((1, *IMAGE), 0.73125548), 1e-6)


@pytest.mark.parametrize("latent_dim", [1, 7])
def test_dense_networks_have_the_expected_parameters(latent_dim):
    pixels = math.prod(IMAGE)
    encoder = DenseEncoder(
        MultivariateNormalTriL(latent_dim), IMAGE, hidden_units=(11, 5)
    )
    encoder.build()
    outputs = latent_dim + latent_dim * (latent_dim + 1) // 2
    layers = [(pixels, 11), (11, 5), (5, outputs)]
    assert encoder.count_params() == sum((a + 1) * b for a, b in layers)
    decoder = DenseDecoder(
        IndependentNormal(IMAGE, "per_pixel"), latent_dim, hidden_units=(5, 11)
    )
    decoder.build()
    layers = [(latent_dim, 5), (5, 11), (11, 2 * pixels)]
    expected = sum((a + 1) * b for a, b in layers) + 2 * pixels
    assert decoder.count_params() == expected


def test_dense_encoder_is_an_affine_map_of_the_scaled_image():
    encoder = DenseEncoder(MultivariateNormalDiag(2), IMAGE, hidden_units=())
    x = images()
    mean = encoder(x).mean()
    kernel, bias = encoder.get_weights()
    params = (2 * x.reshape(4, -1) - 1) @ kernel + bias
    np.testing.assert_allclose(mean, params[:, :2], atol=1e-5)


def test_a_distribution_must_be_a_layer():
    with pytest.raises(ValueError, match=r"DistributionLayer.*Received: "):
        DenseEncoder(keras.layers.Dense(4), IMAGE)


@pytest.mark.parametrize("name", DECODERS)
def test_events_that_are_not_images_are_named(name):
    with pytest.raises(ValueError, match=r"event_shape.*Received.*\(784,\)"):
        DECODERS[name](IndependentBernoulli(784))


def test_image_shape_without_channels_is_named():
    with pytest.raises(ValueError, match=r"image_shape.*Received.*\(28, 28\)"):
        DenseEncoder(MultivariateNormalDiag(2), (28, 28))


def test_latents_of_another_size_are_refused():
    decoder = DECODERS["dense"]()
    with pytest.raises(ValueError, match=r"shape \[..., 3\].*shape \(2, 4\)"):
        decoder(tf.zeros([2, 4]))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
