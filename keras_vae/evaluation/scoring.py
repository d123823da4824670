"""How usual an image is to a model: bounds on its likelihood, and its error."""

import dataclasses
import math
from collections.abc import Callable, Iterator

import numpy as np
import scipy.special
import tensorflow as tf

from keras_vae.evaluation.likelihood import (
    LikelihoodBounds,
    check_num_importance_samples,
    likelihood_bounds,
)
from keras_vae.models import GenerativeModel

__all__ = ["ImageScores", "image_scores", "mixture_of_classes"]

_BATCH_SIZE = 100


@dataclasses.dataclass(frozen=True)
class ImageScores:
    """Scores of images, float64 `[num_images]`, in their order.

    Attributes:
        bounds: Bounds on log p(x), nats; None for a plain autoencoder.
        reconstruction_error: Squared error of the reconstruction, summed over
            pixels and channels; None without latents.
    """

    bounds: LikelihoodBounds | None
    reconstruction_error: np.ndarray | None

    @property
    def nll(self) -> np.ndarray:
        """The negative bound: the ELBO's with K = 1, else the weighted one's.

        Raises:
            ValueError: If there are no bounds.
        """
        if self.bounds is None:
            raise ValueError("a plain autoencoder has no likelihood")
        if self.bounds.num_importance_samples == 1:
            return -self.bounds.elbo
        return -self.bounds.importance_weighted


def image_scores(
    model: GenerativeModel,
    images: np.ndarray,
    num_importance_samples: int,
    seed: int = 0,
    *,
    labels: np.ndarray | None = None,
    progress: Callable[[int], None] | None = None,
) -> ImageScores:
    """Scores each image by a model.

    Of a conditional model without `labels` the mixture of its classes is
    taken, each as probable as the others, `log p(x) = log 1/C sum_c p(x|c)`:
    an image of unknown origin has no class. It takes C times as long. The
    reconstruction is then that of the class with the highest ELBO.

    Args:
        model: Any model of the package.
        images: float32 `[num, height, width, channels]` in [0, 1], prepared
            as in training.
        num_importance_samples: K, at least 1.
        seed: Base of the draws.
        labels: int32 `[num]`, for a conditional model; else None.
        progress: Called with the number of images done so far, those of all
            classes together; nothing is drawn for a plain autoencoder.

    Raises:
        ValueError: If K is not a whole number of at least 1, or the images or
            labels are not those that the model takes.
    """
    check_num_importance_samples(num_importance_samples)
    if not model.num_classes or labels is not None:
        bounds = None
        if model.has_likelihood:
            bounds = _bounds(
                model, images, num_importance_samples, seed, labels, progress
            )
        error = _error(model, images, labels) if model.has_latents else None
        return ImageScores(bounds, error)
    each = []
    for label in range(model.num_classes):
        rows = np.full([len(images)], label, np.int32)
        before = label * len(images)
        shifted = progress and _after(progress, before)
        each.append(
            _bounds(model, images, num_importance_samples, seed, rows, shifted)
        )
    best = np.argmax([bounds.elbo for bounds in each], axis=0)
    return ImageScores(
        mixture_of_classes(each), _error(model, images, best.astype(np.int32))
    )


def mixture_of_classes(each: list[LikelihoodBounds]) -> LikelihoodBounds:
    """Returns bounds on `log 1/C sum_c p(x|c)` from those on `log p(x|c)`.

    The class is one more latent variable. Its posterior r_c, proportional to
    exp(ELBO_c), is the best one for the ELBO, which becomes
    `log 1/C sum_c exp(ELBO_c)`; its KL, KL(r || uniform), is added to that of
    the other latents.

    Args:
        each: The bounds for each class, of the same images.
    """
    elbo = np.stack([bounds.elbo for bounds in each])
    weighted = np.stack([bounds.importance_weighted for bounds in each])
    log_classes = math.log(len(each))
    log_r = elbo - scipy.special.logsumexp(elbo, axis=0)
    r = np.exp(log_r)
    kl = np.stack([bounds.kl_divergence for bounds in each])
    log_likelihood = np.stack([bounds.log_likelihood for bounds in each])
    return LikelihoodBounds(
        elbo=scipy.special.logsumexp(elbo, axis=0) - log_classes,
        importance_weighted=(
            scipy.special.logsumexp(weighted, axis=0) - log_classes
        ),
        log_likelihood=np.sum(r * log_likelihood, axis=0),
        kl_divergence=np.sum(r * (kl + log_r + log_classes), axis=0),
        num_importance_samples=each[0].num_importance_samples,
    )


def _after(
    progress: Callable[[int], None], before: int
) -> Callable[[int], None]:
    return lambda done: progress(before + done)


def _bounds(
    model: GenerativeModel,
    images: np.ndarray,
    num_importance_samples: int,
    seed: int,
    labels: np.ndarray | None,
    progress: Callable[[int], None] | None,
) -> LikelihoodBounds:
    batches = (
        image if label is None else (image, label)
        for image, label in _batches(images, labels)
    )
    return likelihood_bounds(
        model, batches, num_importance_samples, seed, progress=progress
    )


def _error(
    model: GenerativeModel, images: np.ndarray, labels: np.ndarray | None
) -> np.ndarray:
    reconstruct = model.traced("reconstruct", lambda: _reconstruct(model))
    errors = []
    for image, label in _batches(images, labels):
        batch = image if label is None else (image, label)
        image, condition = model.unpack(batch)
        again = reconstruct(image, **condition)
        difference = image.numpy().astype(np.float64) - again.numpy()
        errors.append(np.sum(difference**2, axis=(1, 2, 3)))
    return np.concatenate(errors)


def _reconstruct(model: GenerativeModel) -> Callable[..., tf.Tensor]:
    return tf.function(
        model.reconstruct, autograph=False, reduce_retracing=True
    )


def _batches(
    images: np.ndarray, labels: np.ndarray | None
) -> Iterator[tuple[tf.Tensor, tf.Tensor | None]]:
    for start in range(0, len(images), _BATCH_SIZE):
        rows = slice(start, start + _BATCH_SIZE)
        label = None if labels is None else tf.constant(labels[rows], tf.int32)
        yield tf.constant(images[rows]), label
