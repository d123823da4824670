"""Keras layers that are priors p(z) of a model with one latent vector."""

from keras_vae.priors.gaussian_mixture import GaussianMixture
from keras_vae.priors.prior import Prior
from keras_vae.priors.standard_normal import StandardNormal
from keras_vae.priors.vamp_prior import VampPrior

__all__ = ["GaussianMixture", "Prior", "StandardNormal", "VampPrior"]
