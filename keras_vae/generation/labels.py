"""Classes of conditional models: from what a person writes to a tensor."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_vae.errors import UserError, did_you_mean
from keras_vae.models import GenerativeModel

__all__ = ["Label", "conditions", "parse_labels"]

# A class by its number or name; as a string also several, with commas.
Label = int | str


def parse_labels(
    model: GenerativeModel, label: Label | Sequence[int]
) -> list[int]:
    """Returns the numbers of the classes that `label` names.

    Args:
        model: A conditional model.
        label: A number, a name, or several of them with commas between.

    Raises:
        UserError: If the model is not conditional, or has no such class.
    """
    if not model.num_classes:
        raise UserError(
            "The model does not know classes: leave the label out, or train "
            "one that does with --config.num_classes=auto. "
            f"Received: label={label}"
        )
    if isinstance(label, str):
        parts: list[int | str] = [part.strip() for part in label.split(",")]
    else:
        parts = [label] if isinstance(label, int) else list(label)
    return [_number(part, model.class_names) for part in parts]


def _number(part: int | str, class_names: Sequence[str]) -> int:
    count = len(class_names)
    # The name goes first: classes may be named by numbers that are not theirs.
    if str(part) in class_names:
        return list(class_names).index(str(part))
    if str(part).isdecimal() and int(part) < count:
        return int(part)
    hint = ""
    if not str(part).lstrip("-").isdecimal():
        hint = f" or a name. {did_you_mean(str(part), class_names)}"
    raise UserError(
        f"label must be a class, 0 ... {count - 1}{hint or '.'} "
        f"Received: label={part}"
    )


def conditions(
    model: GenerativeModel, labels: np.ndarray | None
) -> dict[str, tf.Tensor]:
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
