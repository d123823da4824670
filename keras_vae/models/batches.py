"""What a model is given: images, their classes and weights, all checked."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_vae.networks.conditioning import Condition, check_label

__all__ = [
    "Batch",
    "assert_values",
    "check_images",
    "described_target",
    "is_label",
    "split_batch",
    "unpack",
]

# What rounding can add to a level that was divided by the largest one.
_ROUNDING = 1e-5


class Batch(NamedTuple):
    """A batch as a step takes it.

    Attributes:
        image: float32 `[batch, height, width, channels]`.
        condition: `{"label": int32 [batch]}` of a conditional model, else
            nothing.
        weight: Weight of each image's loss, float32 `[batch]`, or None.
    """

    image: tf.Tensor
    condition: Condition
    weight: tf.Tensor | None = None


def unpack(
    data: Any,
    image_shape: tuple[int, int, int],
    num_classes: int = 0,
    real_valued: bool = False,
) -> Batch:
    """Returns a batch in its parts, and refuses what is none.

    Values are checked where they can be read, dtypes and shapes everywhere;
    `assert_values` is the check for a graph.

    Args:
        data: Images, or (images, targets) or (images, targets, weights).
            Targets are the classes, integers `[batch]`. A model without
            classes needs none: there they must be classes, which it leaves
            out, or the images themselves.
        image_shape: (height, width, channels) of the images.
        num_classes: Of a conditional model, else 0.
        real_valued: Whether values may be outside [0, 1].

    Raises:
        ValueError: If a part has another dtype, shape or range.
    """
    image, target, weight = split_batch(data)
    image = check_images(image, image_shape, real_valued)
    if weight is not None:
        weight = _check_weight(weight, image)
    if not num_classes:
        if target is not None:
            _check_unused(tf.convert_to_tensor(target), image)
        return Batch(image, {}, weight)
    if target is None:
        raise ValueError(
            "The model is conditional: a batch must be (images, classes). "
            "Received: images alone"
        )
    label = _check_classes(target, num_classes, image)
    return Batch(image, {"label": label}, weight)


def split_batch(data: Any) -> tuple[Any, Any, Any]:
    """Returns images, targets and weights; of `((images, classes),)` too.

    Raises:
        ValueError: If it is no batch of images.
    """
    image, target, weight = keras.utils.unpack_x_y_sample_weight(data)
    if isinstance(image, (tuple, list)) and target is None and len(image) == 2:
        image, target = image
    if isinstance(image, (tuple, list, dict)):
        raise ValueError(
            "A batch must be images, (images, targets) or (images, targets, "
            f"weights). Received: {type(image).__name__} in place of images"
        )
    return image, target, weight


def check_images(
    image: Any, image_shape: tuple[int, int, int], real_valued: bool = False
) -> tf.Tensor:
    """Returns images as float32 `[batch, height, width, channels]`.

    NaN passes: it belongs into the loss, where it is seen.

    Args:
        image: Floating-point numbers in [0, 1].
        image_shape: (height, width, channels).
        real_valued: Whether values may be outside [0, 1].

    Raises:
        ValueError: If they are not floating-point numbers, not of this shape
            or, where they can be read, none at all or not in [0, 1].
    """
    image = tf.convert_to_tensor(image)
    if not image.dtype.is_floating:
        raise ValueError(
            "Images must be floating-point numbers in [0, 1]: divide levels by "
            "the largest, 255 of 8 bits and 65535 of 16, and make float32 of "
            f"truth values. Received: {_described(image)}"
        )
    shape = [None, *image_shape]
    if not image.shape.is_compatible_with(shape):
        size = ", ".join(map(str, image_shape))
        raise ValueError(
            f"Images must have the shape [batch, {size}]: a single image "
            "needs a batch axis, and grey ones the axis of their channel. "
            f"Received: {_described(image)}"
        )
    if not image.shape[1:].is_fully_defined():
        image = tf.ensure_shape(image, shape)
    if image.shape[0] == 0 and not _is_share():
        raise ValueError(
            "There must be at least one image. "
            f"Received: images of shape {_shape(image)}"
        )
    if (
        _is_concrete(image)
        and not real_valued
        and bool(_beyond(*_range(image)))
    ):
        raise ValueError(
            "Images must be in [0, 1]: divide levels by the largest, 255 of 8 "
            f"bits and 65535 of 16. Received: {_described(image)}"
        )
    return tf.cast(image, tf.float32)


def _is_share() -> bool:
    """Whether this is a replica, whose share of a batch may be empty."""
    context = tf.distribute.get_replica_context()
    return context is not None and context.num_replicas_in_sync > 1


def _is_concrete(tensor: tf.Tensor) -> bool:
    return not tf.is_symbolic_tensor(tensor)


def _range(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.reduce_min(image), tf.reduce_max(image)


def _beyond(low: tf.Tensor, high: tf.Tensor) -> tf.Tensor:
    # Neither is true of NaN.
    return (low < -_ROUNDING) | (high > 1.0 + _ROUNDING)


def _described(image: tf.Tensor) -> str:
    """Returns "float32 images of shape (8, 8) in [0, 255]"."""
    text = f"{image.dtype.name} images of shape {_shape(image)}"
    numbers = image.dtype.is_floating or image.dtype.is_integer
    if not (_is_concrete(image) and numbers and tf.size(image)):
        return text
    low, high = _range(tf.cast(image, tf.float64))
    return f"{text} in [{float(low):g}, {float(high):g}]"


def _shape(tensor: tf.Tensor) -> Any:
    if tensor.shape.rank is None:
        return "unknown"
    return tuple(tensor.shape)


def _check_classes(label: Any, num_classes: int, image: tf.Tensor) -> tf.Tensor:
    """Returns classes as int32 `[batch]`.

    Raises:
        ValueError: If they are not integers, not one for each image or, where
            they can be read, no classes.
    """
    label = check_label(label, image.shape[0])
    if _is_concrete(label) and not bool(_all_classes(label, num_classes)):
        values = label.numpy()
        wrong = values[(values < 0) | (values >= num_classes)]
        raise ValueError(
            f"`label` must hold classes, 0 ... {num_classes - 1}. "
            f"Received: a label of {wrong[0]}"
        )
    return tf.cast(label, tf.int32)


def _all_classes(label: tf.Tensor, num_classes: int) -> tf.Tensor:
    label = tf.cast(label, tf.int64)
    return tf.reduce_all((label >= 0) & (label < num_classes))


def _check_weight(weight: Any, image: tf.Tensor) -> tf.Tensor:
    weight = tf.cast(tf.convert_to_tensor(weight), tf.float32)
    if weight.shape.rank == 2 and weight.shape[1] == 1:
        weight = tf.squeeze(weight, 1)
    if not weight.shape.is_compatible_with([image.shape[0]]):
        raise ValueError(
            "`sample_weight` must have the shape [batch], one weight for each "
            f"image. Received: sample_weight of shape {_shape(weight)} for "
            f"images of shape {_shape(image)}"
        )
    return weight


def is_label(target: tf.Tensor) -> bool:
    """Whether a target is classes: integers `[batch]`, or one column."""
    column = target.shape.rank == 2 and target.shape[1] == 1
    return target.dtype.is_integer and (column or target.shape.rank == 1)


def described_target(target: tf.Tensor | None) -> str:
    """Returns "y of shape (8, 4) and dtype float32"."""
    if target is None:
        return "no y"
    return f"y of shape {_shape(target)} and dtype {target.dtype.name}"


def _check_unused(target: tf.Tensor, image: tf.Tensor) -> None:
    """Raises ValueError unless nothing is lost without this target."""
    if is_label(target):
        return
    if not target.dtype.is_floating or not (
        target.shape.is_compatible_with(image.shape)
        and target.shape.rank == image.shape.rank
    ):
        raise ValueError(
            "The model learns images, not targets: leave `y` out, or give "
            "integer classes, which a model without classes does not use, or "
            f"the images themselves. Received: {described_target(target)}"
        )
    if _is_concrete(target) and not bool(_same(target, image)):
        raise ValueError(f"{_OTHER_IMAGES}. Received: other images as y")


_OTHER_IMAGES = (
    "The model reconstructs the images that it is given: `y` must be the same "
    "images, or be left out"
)


def _same(target: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
    """Whether two batches are the same, NaN being the same as NaN."""
    target = tf.cast(target, image.dtype)
    both_nan = tf.math.is_nan(target) & tf.math.is_nan(image)
    return tf.reduce_all((target == image) | both_nan)


def assert_values(data: Any, batch: Batch, num_classes: int) -> tf.Tensor:
    """Checks in a graph what `unpack` cannot read there.

    XLA drops assertions: the operations must not be compiled by it.

    Args:
        data: A batch.
        batch: The same, unpacked.
        num_classes: Of a conditional model, else 0.

    Returns:
        A tensor that there is when the checks have passed.
    """
    target = split_batch(data)[1]
    low, high = _range(batch.image)
    shape = tf.shape(batch.image)
    checks = [
        (
            ~_beyond(low, high),
            [
                "Images must be in [0, 1]: divide levels by the largest. "
                "Received: images of shape",
                shape,
                "from",
                low,
                "to",
                high,
            ],
        )
    ]
    if not _is_share():
        message = "There must be at least one image. Received: shape"
        checks.append((shape[0] > 0, [message, shape]))
    if num_classes:
        label = tf.convert_to_tensor(target)
        message = f"`label` must hold classes, 0 ... {num_classes - 1}. "
        checks.append(
            (_all_classes(label, num_classes), [message + "Received:", label])
        )
    elif target is not None and not is_label(tf.convert_to_tensor(target)):
        checks.append((_same(target, batch.image), [_OTHER_IMAGES]))
    passed = tf.reduce_all(tf.stack([check for check, _ in checks]))
    with tf.control_dependencies(
        [tf.debugging.Assert(check, message) for check, message in checks]
    ):
        return tf.identity(passed)
