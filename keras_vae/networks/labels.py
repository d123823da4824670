"""The classes that a conditional network is told."""

from typing import Any

import tensorflow as tf

__all__ = ["check_label"]


def check_label(label: Any, batch: int | None) -> tf.Tensor:
    """Returns classes as a tensor of integers `[batch]`.

    Args:
        label: Integers, `[batch]`.
        batch: How many there must be, where that is known.

    Raises:
        ValueError: If they are not integers, or not one for each image.
    """
    label = tf.convert_to_tensor(label)
    if not label.dtype.is_integer:
        raise ValueError(
            "`label` must hold classes, whole numbers of an integer dtype. "
            f"Received: label of dtype {label.dtype.name}"
        )
    if not label.shape.is_compatible_with([batch]):
        size = "batch" if batch is None else batch
        raise ValueError(
            f"`label` must have the shape [{size}], one class for each "
            f"image. Received: label of shape {label.shape}"
        )
    return label
