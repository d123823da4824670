"""The classes that a conditional network is told."""

from typing import Any

import tensorflow as tf

__all__ = ["all_classes", "check_label"]


def check_label(label: Any, batch: int | None, num_classes: int) -> tf.Tensor:
    """Returns classes as int32 `[batch]`.

    Args:
        label: Integers, `[batch]`.
        batch: How many there must be, where that is known.
        num_classes: How many classes there are.

    Raises:
        ValueError: If they are not integers, not one for each image or, where
            they can be read, no classes.
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
    if not tf.is_symbolic_tensor(label) and not bool(
        all_classes(label, num_classes)
    ):
        values = label.numpy()
        wrong = values[(values < 0) | (values >= num_classes)]
        raise ValueError(
            f"`label` must hold classes, 0 ... {num_classes - 1}. "
            f"Received: a label of {wrong[0]}"
        )
    return tf.cast(label, tf.int32)


def all_classes(label: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Returns whether all of a tensor of integers are classes, a scalar."""
    label = tf.cast(label, tf.int64)
    return tf.reduce_all((label >= 0) & (label < num_classes))
