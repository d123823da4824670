"""Tests of the convolutional networks: shapes and their limits."""

import keras
import numpy as np
import pytest

from keras_vae.distributions import IndependentBernoulli, MultivariateNormalDiag
from keras_vae.networks import (
    ConvolutionalDecoder,
    ConvolutionalEncoder,
    ResidualDecoder,
    ResidualEncoder,
)
from tests.networks.cases import shapes


def test_each_convolution_is_followed_by_max_pooling():
    encoder = ConvolutionalEncoder(
        MultivariateNormalDiag(5), (28, 28, 1), filters=(4, 6), dense_units=9
    )
    assert shapes(encoder, np.zeros([2, 28, 28, 1], np.float32)) == [
        (2, 28, 28, 4),
        (2, 14, 14, 4),
        (2, 14, 14, 6),
        (2, 7, 7, 6),
        (2, 7 * 7 * 6),
        (2, 9),
        (2, 10),
    ]
    pooling = encoder.stack[1]
    assert isinstance(pooling, keras.layers.MaxPooling2D)


def test_decoder_mirrors_the_encoder():
    decoder = ConvolutionalDecoder(
        IndependentBernoulli((28, 28, 1)), 5, filters=(4, 6), dense_units=9
    )
    assert shapes(decoder, np.zeros([2, 5], np.float32)) == [
        (2, 9),
        (2, 7 * 7 * 6),
        (2, 7, 7, 6),
        (2, 14, 14, 6),
        (2, 14, 14, 6),
        (2, 28, 28, 6),
        (2, 28, 28, 4),
        (2, 28, 28, 1),
    ]


@pytest.mark.parametrize("size", [(28, 28, 1), (32, 48, 3), (8, 8, 4)])
def test_images_of_any_divisible_size_pass(size):
    for encoder, decoder in [
        (ConvolutionalEncoder, ConvolutionalDecoder),
        (ResidualEncoder, ResidualDecoder),
    ]:
        sizes = {"filters": (2, 2), "dense_units": 4}
        encoder = encoder(MultivariateNormalDiag(2), size, **sizes)
        decoder = decoder(IndependentBernoulli(size), 2, **sizes)
        image = np.zeros([1, *size], np.float32)
        assert decoder(encoder(image).mean()).mean().shape == [1, *size]


@pytest.mark.parametrize("size", [(28, 28, 1), (27, 32, 1), (32, 27, 1)])
@pytest.mark.parametrize("kind", [ConvolutionalEncoder, ResidualEncoder])
def test_encoder_names_an_image_that_cannot_be_halved(kind, size):
    sizes = {"filters": (2, 2, 2)}
    if kind is ResidualEncoder:
        sizes["num_blocks"] = (1, 1, 1)
    with pytest.raises(
        ValueError, match=r"`image_shape` must be divisible by 8.*Received: "
    ):
        kind(MultivariateNormalDiag(2), size, **sizes)


@pytest.mark.parametrize("kind", [ConvolutionalDecoder, ResidualDecoder])
def test_decoder_names_an_image_that_cannot_be_halved(kind):
    with pytest.raises(
        ValueError, match=r"`image_shape` must be divisible by 4.*Received: "
    ):
        kind(IndependentBernoulli((30, 28, 1)), 2, filters=(2, 2))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
