"""Conditional draws: what is missing of an image, given the rest of it."""

from keras_vae.conditional.block_means import BlockMeans, block_means
from keras_vae.conditional.masks import MaskConfig
from keras_vae.conditional.observation import MaskedPixels, Observation
from keras_vae.conditional.posterior_sampling import (
    ChainConfig,
    PosteriorDraws,
    sample_posterior,
)

__all__ = [
    "BlockMeans",
    "ChainConfig",
    "MaskConfig",
    "MaskedPixels",
    "Observation",
    "PosteriorDraws",
    "block_means",
    "sample_posterior",
]
