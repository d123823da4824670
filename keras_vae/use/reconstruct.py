"""`reconstruct`: images beside what the model makes of them."""

import os

import numpy as np
import tensorflow as tf

from keras_vae import plotting
from keras_vae.io import outputs, sizes
from keras_vae.models import GenerativeModel
from keras_vae.models.abilities import check_can
from keras_vae.models.conditions import conditions
from keras_vae.training import TrainedModel
from keras_vae.use.source import ImageSource

__all__ = ["reconstruct", "reconstruct_images"]

_BATCH_SIZE = 256
_NUM_IMAGES = 32
_PAIRS_IN_A_ROW = 4


def reconstruct(
    trained: TrainedModel,
    source: ImageSource,
    output: str | os.PathLike[str],
) -> outputs.Written:
    """Draws each image beside its reconstruction.

    Args:
        trained: The model of a run.
        source: The images; of a split 32 unless it says how many.
        output: The PNG file to write.

    Returns:
        What was written.

    Raises:
        UserError: If the model, the images or the output cannot be used.
    """
    path = outputs.check_suffix(output, (".png",), "reconstruct")
    check_can(trained.model, "reconstruct")
    loaded = source.load(trained, default_num_images=_NUM_IMAGES)
    images = loaded.images
    sizes.check_picture(
        2 * len(images), images.shape[1:], f"{len(images):,} images"
    )
    answers = reconstruct_images(trained.model, images, loaded.labels)
    pairs = plotting.side_by_side(images, answers)
    plotting.save_grid(path, pairs, 2 * _PAIRS_IN_A_ROW)
    return outputs.Written((path,))


def reconstruct_images(
    model: GenerativeModel,
    images: np.ndarray,
    labels: np.ndarray | None = None,
) -> np.ndarray:
    """Returns the reconstruction of each image `[num, H, W, C]`.

    Args:
        model: A model with latents.
        images: `[num, H, W, C]` in [0, 1].
        labels: Class of each image `[num]`; of use to a conditional model.
    """
    compiled = tf.function(
        model.reconstruct, autograph=False, reduce_retracing=True
    )
    answers = []
    for start in range(0, len(images), _BATCH_SIZE):
        rows = slice(start, start + _BATCH_SIZE)
        some = None if labels is None else labels[rows]
        answer = compiled(tf.constant(images[rows]), **conditions(model, some))
        answers.append(answer.numpy())
    return np.concatenate(answers)
