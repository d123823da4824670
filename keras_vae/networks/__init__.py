"""Encoders and decoders: subclassed Keras models that return distributions."""

from keras_vae.networks.convolutional import (
    ConvolutionalDecoder,
    ConvolutionalEncoder,
)
from keras_vae.networks.dense import DenseDecoder, DenseEncoder
from keras_vae.networks.network import Decoder, Encoder
from keras_vae.networks.residual import (
    ResidualBlock,
    ResidualDecoder,
    ResidualEncoder,
)

__all__ = [
    "ConvolutionalDecoder",
    "ConvolutionalEncoder",
    "Decoder",
    "DenseDecoder",
    "DenseEncoder",
    "Encoder",
    "ResidualBlock",
    "ResidualDecoder",
    "ResidualEncoder",
]
