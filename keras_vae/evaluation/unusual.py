"""How unusual images are to a model, and how well that tells outliers."""

from collections.abc import Mapping

import numpy as np

from keras_vae.evaluation.detection import Detection, detection
from keras_vae.evaluation.scoring import ImageScores

__all__ = ["detections", "unusualness"]


def unusualness(
    own: ImageScores, background: ImageScores | None = None
) -> dict[str, np.ndarray]:
    """Returns scores that are higher for more unusual images, by name.

    Args:
        own: The scores that the model gives.
        background: Those of a background model, of the same images.

    Returns:
        float64 `[num_images]` each, as far as the model has them: `nll`, nats;
        `reconstruction_error`, the squared error; and with a background
        `background_nll` and `nll_ratio`, the difference of the two.
    """
    figures = {}
    if own.bounds is not None:
        figures["nll"] = own.nll
    if own.reconstruction_error is not None:
        figures["reconstruction_error"] = own.reconstruction_error
    if background is not None:
        figures["background_nll"] = background.nll
        figures["nll_ratio"] = own.nll - background.nll
    return figures


def detections(
    figures: Mapping[str, np.ndarray], is_outlier: np.ndarray
) -> dict[str, Detection]:
    """Returns what each score is worth that should be higher for outliers.

    Args:
        figures: Scores by name, `[num_images]` each.
        is_outlier: bool `[num_images]`; where none is, nothing is returned.
    """
    if not is_outlier.any():
        return {}
    return {
        name: detection(scores[~is_outlier], scores[is_outlier])
        for name, scores in figures.items()
    }
