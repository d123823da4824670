"""The classes that a conditional model is told, all the way through it.

`label` is int32 `[batch]`. A `Condition` is the keywords that tell it: those
of a model without classes are none, so that `encode(image, **condition)` is
right for any model.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

__all__ = [
    "Condition",
    "Conditioned",
    "build_class_picture",
    "check_class_names",
    "check_label",
    "class_picture",
    "classes_in_turn",
    "condition_on",
    "conditioned",
    "one_hot",
    "unconditioned",
    "with_class_picture",
]

Condition = dict[str, tf.Tensor]


class Conditioned(NamedTuple):
    """What an encoder gave, and the classes that it was told."""

    encoding: Any
    label: tf.Tensor | None


def condition_on(label: tf.Tensor | None) -> Condition:
    """Returns `{"label": label}`, or nothing where there is none."""
    return {} if label is None else {"label": label}


def classes_in_turn(num_classes: int, count: int) -> Condition:
    """Returns the condition of `count` images of each class in turn."""
    if not num_classes:
        return {}
    return {"label": tf.range(count) % num_classes}


def conditioned(encoding: Any, label: tf.Tensor | None) -> Any:
    """Returns an encoding that carries its classes, if there are any."""
    return encoding if label is None else Conditioned(encoding, label)


def unconditioned(encoding: Any) -> Conditioned:
    """Returns what `conditioned` was given."""
    if isinstance(encoding, Conditioned):
        return encoding
    return Conditioned(encoding, None)


def check_class_names(
    names: Sequence[str], num_classes: int
) -> tuple[str, ...]:
    """Returns the name of each class: its number, unless there are names.

    Raises:
        ValueError: If there are names, and not one for each class.
    """
    names = tuple(names) or tuple(map(str, range(num_classes)))
    if len(names) != num_classes:
        raise ValueError(
            f"`class_names` must name the {num_classes} classes of the "
            f"networks. Received: {len(names)} names"
        )
    return names


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


def one_hot(
    network: Any, label: tf.Tensor | None, batch: int | None = None
) -> tf.Tensor | None:
    """Returns classes as vectors `[batch, num_classes]`; None without any.

    On CPUs a label that is no class is an error of TensorFlow that names it,
    also in an export; on GPUs it gives zeros.

    Args:
        network: Of `num_classes` and of a dtype policy.
        label: int32 `[batch]`, or None without classes.
        batch: How many there must be, where that is known.

    Raises:
        ValueError: If there is a label where the network knows no classes, or
            none where it does, or they are no whole numbers, or not one for
            each image.
    """
    if (label is not None) == bool(network.num_classes):
        if label is None:
            return None
        classes = tf.eye(network.num_classes, dtype=network.compute_dtype)
        return tf.gather(classes, check_label(label, batch))
    if label is None:
        raise ValueError(
            "`label` must be given: the network is conditional on "
            f"{network.num_classes} classes. Received: label=None"
        )
    raise ValueError(
        "`label` must be left out: the network knows no classes. "
        f"Received: label={label}"
    )


def class_picture(encoder: Any) -> keras.layers.Dense:
    """Returns the layer from a one-hot class to a picture of it."""
    height, width, _ = encoder.image_shape
    return keras.layers.Dense(
        height * width,
        use_bias=False,
        name="class_picture",
        dtype=encoder.dtype_policy,
    )


def build_class_picture(encoder: Any) -> tuple[int, int, int]:
    """Builds that layer; returns the shape of `with_class_picture`."""
    height, width, channels = encoder.image_shape
    if encoder.num_classes and not encoder.class_picture.built:
        encoder.class_picture.build((None, encoder.num_classes))
    return height, width, channels + bool(encoder.num_classes)


def with_class_picture(
    encoder: Any, x: tf.Tensor, label: tf.Tensor | None
) -> tf.Tensor:
    """Returns images with their class's picture as one more channel.

    Args:
        encoder: With `num_classes`, and `class_picture` if there are any.
        x: `[batch, H, W, C]`.
        label: As for `one_hot`.

    Raises:
        ValueError: As `one_hot`.
    """
    vectors = one_hot(encoder, label, x.shape[0])
    if vectors is None:
        return x
    picture = encoder.class_picture(vectors)
    picture = tf.reshape(picture, [-1, *encoder.image_shape[:2], 1])
    return tf.concat([tf.cast(x, picture.dtype), picture], axis=-1)
