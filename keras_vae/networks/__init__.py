"""Encoders and decoders: subclassed Keras models that return distributions."""

from keras_vae.networks.convolutional import (
    ConvolutionalDecoder,
    ConvolutionalEncoder,
)
from keras_vae.networks.dense import DenseDecoder, DenseEncoder
from keras_vae.networks.hierarchy import BottomUpEncoder, TopDownDecoder
from keras_vae.networks.network import Decoder, Encoder
from keras_vae.networks.residual import (
    ResidualBlock,
    ResidualDecoder,
    ResidualEncoder,
)
from keras_vae.networks.residual_bottom_up import ResidualBottomUp
from keras_vae.networks.residual_top_down import ResidualTopDown
from keras_vae.networks.top_down_block import TopDownBlock

__all__ = [
    "BottomUpEncoder",
    "ConvolutionalDecoder",
    "ConvolutionalEncoder",
    "Decoder",
    "DenseDecoder",
    "DenseEncoder",
    "Encoder",
    "ResidualBlock",
    "ResidualBottomUp",
    "ResidualDecoder",
    "ResidualEncoder",
    "ResidualTopDown",
    "TopDownBlock",
    "TopDownDecoder",
]
