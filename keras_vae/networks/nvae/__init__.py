"""The parts of NVAE: convolutions, cells, flows and regularisers."""

from keras_vae.networks.nvae.architecture import NVAEArchitecture
from keras_vae.networks.nvae.cells import (
    DecoderCell,
    EncoderCell,
    SqueezeExcite,
)
from keras_vae.networks.nvae.convolution import WeightNormConv2D
from keras_vae.networks.nvae.decoder import NVAEDecoder
from keras_vae.networks.nvae.encoder import NVAEEncoder
from keras_vae.networks.nvae.flow import FlowPair, ShiftFlow
from keras_vae.networks.nvae.normalization import BatchNormalization
from keras_vae.networks.nvae.resampling import (
    BilinearUpsample,
    FactorizedReduce,
)
from keras_vae.networks.nvae.spectral import (
    SpectralNorms,
    batch_norm_scale_penalty,
    collect,
)

__all__ = [
    "BatchNormalization",
    "BilinearUpsample",
    "DecoderCell",
    "EncoderCell",
    "FactorizedReduce",
    "FlowPair",
    "NVAEArchitecture",
    "NVAEDecoder",
    "NVAEEncoder",
    "ShiftFlow",
    "SpectralNorms",
    "SqueezeExcite",
    "WeightNormConv2D",
    "batch_norm_scale_penalty",
    "collect",
]
