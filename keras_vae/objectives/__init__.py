"""Objectives: what a pass through a model is worth, and schedules."""

from keras_vae.objectives.inference import Inference, LatentGroup, kl_divergence
from keras_vae.objectives.objective import ELBO, SquaredError
from keras_vae.objectives.schedules import LinearWarmup, WarmupCosine

__all__ = [
    "ELBO",
    "Inference",
    "LatentGroup",
    "LinearWarmup",
    "SquaredError",
    "WarmupCosine",
    "kl_divergence",
]
