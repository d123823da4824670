"""What tells a conditional model the classes of images."""

import numpy as np
import tensorflow as tf

from keras_vae.errors import UserError
from keras_vae.labels import Label, class_numbers
from keras_vae.models import GenerativeModel
from keras_vae.networks.conditioning import Condition

__all__ = ["conditions", "parse_labels"]


def parse_labels(model: GenerativeModel, label: Label) -> list[int]:
    """Returns the numbers of the classes that `label` names.

    Args:
        model: A conditional model.
        label: As for `keras_vae.labels.class_numbers`.

    Raises:
        UserError: If the model is not conditional, or has no such class.
    """
    if not model.num_classes:
        raise UserError(
            "The model does not know classes: leave the label out, or train "
            "one that does with --config.num_classes=auto. "
            f"Received: label={label}"
        )
    return class_numbers(label, model.class_names, model.num_classes)


def conditions(model: GenerativeModel, labels: np.ndarray | None) -> Condition:
    """Returns the arguments that tell a conditional model the classes.

    Args:
        model: Any model.
        labels: Class of each image, `[batch]`, or None.

    Returns:
        `{"label": int32 [batch]}` for a conditional model, else nothing.

    Raises:
        UserError: If the model is conditional and a class is not known.
    """
    count = model.num_classes
    if not count:
        return {}
    if labels is None or (len(labels) and labels.min() < 0):
        raise UserError(
            "The model is conditional, and the images' classes are not known: "
            f"add --label=CLASS, 0 ... {count - 1}, or put the files into "
            "folders named after their classes. Received: no label"
        )
    if len(labels) and labels.max() >= count:
        raise UserError(
            f"The model has {count} classes, 0 ... {count - 1}. "
            f"Received: an image of class {labels.max()}"
        )
    return {"label": tf.constant(labels, tf.int32)}
