"""What is compared with draws: one pass through a model, and mean images."""

import numpy as np
import tensorflow as tf

from keras_vae.conditional.imputation_report import Completion
from keras_vae.conditional.observation import Observation
from keras_vae.models import GenerativeModel, as_image
from keras_vae.models.conditions import conditions
from keras_vae.use.independent_pixels import IndependentPixels

__all__ = ["compared"]

_BATCH_SIZE = 100


def compared(
    model: GenerativeModel,
    known: Observation,
    images: np.ndarray,
    pixels: IndependentPixels,
    labels: np.ndarray | None,
) -> tuple[Completion, Completion]:
    """Returns what one pass and the mean of images make of what is known.

    One pass is E[x|z, o] with z the mean of q(z|x), x being the image with the
    mean of images where it is not known.
    """
    noise = tf.zeros([1, model.latent_dim])
    parts: list[list[np.ndarray]] = []
    for start in range(0, len(images), _BATCH_SIZE):
        rows = np.arange(start, min(start + _BATCH_SIZE, len(images)))
        some, truth = known.take(rows), tf.constant(images[rows])
        given = conditions(model, None if labels is None else labels[rows])
        filled = some.fill(tf.constant(pixels.mean))
        encoding = model.encode(filled, **given)
        likelihood = model.infer_with_noise(
            filled, encoding, tf.tile(noise, [len(rows), 1])
        ).likelihood
        other = pixels.distribution(len(rows))
        parts.append(
            [
                function(px).numpy()
                for px in (likelihood, other)
                for function in (
                    lambda px, some=some: as_image(some.mean(px)),
                    lambda px, some=some, x=truth: some.rest_log_prob(px, x),
                )
            ]
        )
    values = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
    log_prob = values[3] if pixels.is_comparable else None
    return Completion(*values[:2]), Completion(values[2], log_prob)
