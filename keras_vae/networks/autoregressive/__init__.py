"""Networks of pixels in an order: each sees those that come before it."""

from keras_vae.networks.autoregressive.causal_convolution import (
    CausalConvolution,
)
from keras_vae.networks.autoregressive.gated_block import GatedBlock
from keras_vae.networks.autoregressive.pixel_cnn import PixelCNN
from keras_vae.networks.autoregressive.pixel_head import PixelHead

__all__ = ["CausalConvolution", "GatedBlock", "PixelCNN", "PixelHead"]
