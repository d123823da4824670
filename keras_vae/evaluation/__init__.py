"""Evaluation: bounds on the likelihood, scores of images, latents."""

from keras_vae.evaluation.detection import Detection, detection
from keras_vae.evaluation.embedding import (
    Projection,
    write_projector,
)
from keras_vae.evaluation.evaluate import (
    EvaluationConfig,
    evaluate,
    format_table,
)
from keras_vae.evaluation.likelihood import LikelihoodBounds, likelihood_bounds
from keras_vae.evaluation.scoring import (
    ImageScores,
    image_scores,
    mixture_of_classes,
)

__all__ = [
    "Detection",
    "EvaluationConfig",
    "ImageScores",
    "LikelihoodBounds",
    "Projection",
    "detection",
    "evaluate",
    "format_table",
    "image_scores",
    "likelihood_bounds",
    "mixture_of_classes",
    "write_projector",
]
