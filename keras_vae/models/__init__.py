"""Models: how encoder, decoder, prior and objective work together."""

from keras_vae.models.autoencoder import Autoencoder
from keras_vae.models.autoregressive import Autoregressive
from keras_vae.models.factory import build_model
from keras_vae.models.generative_model import GenerativeModel
from keras_vae.models.hierarchical_vae import HierarchicalVAE
from keras_vae.models.latent_statistics import (
    LatentStatistics,
    latent_statistics,
)
from keras_vae.models.nvae import NVAE
from keras_vae.models.pixels import as_image, image_of, pixel_seed
from keras_vae.models.traversal import resampled, traverse
from keras_vae.models.vae import VAE

__all__ = [
    "NVAE",
    "VAE",
    "Autoencoder",
    "Autoregressive",
    "GenerativeModel",
    "HierarchicalVAE",
    "LatentStatistics",
    "as_image",
    "build_model",
    "image_of",
    "latent_statistics",
    "pixel_seed",
    "resampled",
    "traverse",
]
