"""Evaluation: bounds on the likelihood, with their protocol."""

from keras_vae.evaluation.evaluate import (
    EvaluationConfig,
    evaluate,
    format_table,
)
from keras_vae.evaluation.likelihood import LikelihoodBounds, likelihood_bounds

__all__ = [
    "EvaluationConfig",
    "LikelihoodBounds",
    "evaluate",
    "format_table",
    "likelihood_bounds",
]
