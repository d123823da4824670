"""`traverse`: what each latent dimension, or each group, does to an image."""

import os

import numpy as np
import tensorflow as tf

from keras_vae import plotting
from keras_vae.config import check_number
from keras_vae.errors import UserError
from keras_vae.io import outputs, sizes
from keras_vae.models import (
    GenerativeModel,
    LatentStatistics,
    latent_statistics,
    resampled,
)
from keras_vae.models import traverse as traversal
from keras_vae.models.abilities import check_can
from keras_vae.models.conditions import conditions
from keras_vae.training import TrainedModel
from keras_vae.use.source import (
    ImageSource,
    SourceImages,
)
from keras_vae.use.verb_outputs import check_output

__all__ = ["traverse"]

# Of the test split, for the KL of each dimension.
_NUM_IMAGES = 500
_MAX_STEPS = 1000


def traverse(
    trained: TrainedModel,
    source: ImageSource,
    output: str | os.PathLike[str],
    *,
    limit: float = 2.5,
    steps: int = 9,
    seed: int = 0,
) -> outputs.Written:
    """Draws an image with one latent dimension at a time moved.

    A row for each active dimension, the one with the highest KL first, its
    number and KL beside it. What is active, and the KL, are measured on 500
    images of the run's test split.

    In a hierarchical model one of many hundred dimensions changes little that
    can be seen. There a row keeps the image's first k groups and draws the
    groups below anew: what its images share is what those k groups say.

    Args:
        trained: The model of a run.
        source: The image; of a split one is drawn by the seed.
        output: The PNG file to write.
        limit: Dimensions run from -limit to limit, in standard deviations of
            the prior.
        steps: Images in a row.
        seed: Of the draws of a hierarchical model.

    Returns:
        What was written.

    Raises:
        UserError: If the model, the images or the output cannot be used.
    """
    path = check_output("traverse", output)
    check_number("limit", limit, 0, strict=True)
    check_number("steps", steps, 2, whole=True, high=_MAX_STEPS)
    if source.num_images is not None:
        raise UserError(
            "traverse takes one image, and no number of them. "
            f"Received: num_images={source.num_images}"
        )
    check_can(trained.model, "traverse")
    image = source.load(trained, default_num_images=1)
    if len(image.images) != 1:
        raise UserError(
            f"traverse takes one image. Received: {len(image.images)}"
        )
    statistics = _statistics(trained, source)
    in_groups = len(statistics.group_shapes) > 1
    num_rows = int(np.sum(statistics.active))
    if in_groups:
        num_rows = len(statistics.group_shapes) + 1
    sizes.check_picture(
        num_rows * steps, trained.model.image_shape, f"steps={steps}"
    )
    if in_groups:
        rows, labels = _groups(trained.model, image, statistics, steps, seed)
        title = "the groups below are drawn anew"
    else:
        rows, labels = _dimensions(
            trained.model, image, statistics, limit, steps
        )
        title = f"from -{limit:g} to {limit:g} standard deviations"
    outputs.replace_file(
        path,
        lambda partial: plotting.save_labelled_rows(
            partial, rows, labels, title=title
        ),
    )
    return outputs.Written((path,))


def _statistics(trained: TrainedModel, source: ImageSource) -> LatentStatistics:
    """Returns the statistics over images of the test split."""
    places = ImageSource(
        data_dir=source.data_dir,
        manual_dir=source.manual_dir,
        seed=source.seed,
        accept_changed_data=source.accept_changed_data,
    )
    found = places.load(trained, default_num_images=_NUM_IMAGES)
    condition = conditions(trained.model, found.labels)
    batch = tf.constant(found.images)
    elements = (batch, condition["label"]) if condition else batch
    return latent_statistics(trained.model, [elements])


def _dimensions(
    model: GenerativeModel,
    image: SourceImages,
    statistics: LatentStatistics,
    limit: float,
    steps: int,
) -> tuple[np.ndarray, list[str]]:
    order = [d for d in statistics.order if statistics.active[d]]
    if not order:
        raise UserError(
            "No latent dimension is active: the posterior's mean is the same "
            "for all images (a collapsed posterior), and there is nothing to "
            f"traverse. Received: {len(statistics.order)} dimensions"
        )
    rows = traversal(
        model,
        tf.constant(image.images),
        order,
        limit,
        steps,
        **conditions(model, image.labels),
    )
    kl = statistics.kl_by_dimension
    return rows, [f"z{d}  KL {kl[d]:.2f} nats" for d in order]


def _groups(
    model: GenerativeModel,
    image: SourceImages,
    statistics: LatentStatistics,
    steps: int,
    seed: int,
) -> tuple[np.ndarray, list[str]]:
    rows = resampled(
        model,
        tf.constant(image.images),
        steps - 1,
        seed=seed,
        **conditions(model, image.labels),
    )
    labels = ["nothing kept"]
    for group, kl in enumerate(statistics.kl_by_group):
        labels.append(f"+ group {group}  KL {kl:.2f} nats")
    return rows, labels
