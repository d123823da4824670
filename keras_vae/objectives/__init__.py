"""Objectives: what a pass through a model is worth, and schedules."""

from keras_vae.objectives.balancing import balancing_weights, group_scales
from keras_vae.objectives.beta_tcvae import BetaTCVAE, total_correlation
from keras_vae.objectives.context import ObjectiveContext
from keras_vae.objectives.inference import Inference, LatentGroup, kl_divergence
from keras_vae.objectives.log_likelihood import LogLikelihood
from keras_vae.objectives.objective import (
    ELBO,
    ImportanceWeighted,
    SquaredError,
)
from keras_vae.objectives.schedules import (
    LAST_STEP,
    KLWarmup,
    LinearWarmup,
    OneStep,
    WarmupCosine,
)

__all__ = [
    "ELBO",
    "LAST_STEP",
    "BetaTCVAE",
    "ImportanceWeighted",
    "Inference",
    "KLWarmup",
    "LatentGroup",
    "LinearWarmup",
    "LogLikelihood",
    "ObjectiveContext",
    "OneStep",
    "SquaredError",
    "WarmupCosine",
    "balancing_weights",
    "group_scales",
    "kl_divergence",
    "total_correlation",
]
