"""The arguments of `fit` and the like, so that Keras loses no weights."""

import inspect
import math
import numbers
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vae.config import is_whole
from keras_vae.models.batches import described_target, is_label, split_batch

__all__ = ["by_name", "with_class_weight", "with_target"]


def by_name(
    method: Callable[..., Any], *args: Any, **kwargs: Any
) -> dict[str, Any]:
    """Returns the arguments of a call, whether by position or not, by name.

    Raises:
        TypeError: If the method does not take them.
    """
    given = dict(inspect.signature(method).bind(*args, **kwargs).arguments)
    return given.pop("kwargs", {}) | given


def with_target(x: Any, y: Any, weight: Any) -> tuple[Any, Any]:
    """Returns x and y of arrays so that Keras does not drop their weights.

    Without a y it does, silently. The classes of `x = (images, classes)` become
    it; images alone get one class for all, which nothing uses.

    Args:
        x: Images, or (images, classes).
        y: Targets, or None.
        weight: Weights of the images, or None.

    Raises:
        ValueError: If the weights are a list, which Keras would take apart.
    """
    if isinstance(weight, (list, tuple)):
        raise ValueError(
            "`sample_weight` must be an array of floats [num]. "
            f"Received: a {type(weight).__name__}"
        )
    if weight is None or y is not None:
        return x, y
    if isinstance(x, (tuple, list)) and len(x) == 2:
        return x[0], x[1]
    if isinstance(x, (np.ndarray, tf.Tensor)):
        return x, np.zeros(len(x), np.int32)
    return x, y  # Of a stream Keras refuses them.


def with_class_weight(
    given: dict[str, Any], num_classes: int = 0
) -> dict[str, Any]:
    """Returns the arguments of `fit` so that images are weighed by class.

    Keras does that by y. Datasets are weighed here, so that a class that the
    weights do not name counts once, as it does in arrays.

    Args:
        given: Arguments by their names.
        num_classes: Of a conditional model, else 0.

    Raises:
        ValueError: If there is a `class_weight` that is no dict of weights, or
            of a class that the model does not have, or there are no classes.
    """
    class_weight, x = given.get("class_weight"), given["x"]
    if class_weight is None or inspect.isgenerator(x):  # Keras refuses those.
        return given
    _check_class_weight(class_weight, num_classes)
    if isinstance(x, tf.data.Dataset):
        return {**given, "x": _weighed(x, class_weight), "class_weight": None}
    if isinstance(x, keras.utils.PyDataset):
        return {**given, "x": _WithClasses(x, class_weight)}
    batch = (x, given.get("y"), given.get("sample_weight"))
    images, classes = _with_classes(batch, class_weight)
    return {**given, "x": images, "y": classes}


def _check_class_weight(class_weight: Any, num_classes: int) -> None:
    if not isinstance(class_weight, Mapping) or not all(
        is_whole(number) and _is_weight(weight)
        for number, weight in class_weight.items()
    ):
        raise ValueError(
            "`class_weight` must be a dict of weights, finite and not "
            "negative, by the numbers of classes, such as {0: 1.0, 1: 2.0}. "
            f"Received: class_weight={class_weight!r}"
        )
    if num_classes and not all(0 <= n < num_classes for n in class_weight):
        raise ValueError(
            "`class_weight` must be of classes that the model has, 0 ... "
            f"{num_classes - 1}. Received: class_weight={class_weight!r}"
        )


def _is_weight(weight: Any) -> bool:
    return isinstance(weight, numbers.Real) and 0 <= float(weight) < math.inf


def _with_classes(batch: Any, class_weight: Any) -> tuple[Any, Any]:
    """Returns the images and classes of a batch.

    Raises:
        ValueError: If there are no classes, or weights too.
    """
    images, classes, weight = split_batch(batch)
    if weight is not None:
        raise ValueError(
            "`class_weight` and weights of the images cannot be given at the "
            f"same time. Received: class_weight={class_weight!r}"
        )
    target = None
    if hasattr(classes, "__array__"):
        target = tf.TensorSpec(classes.shape, classes.dtype)
    if target is None or not is_label(target):
        found = described_target(target)
        if target is None and classes is not None:
            found = f"a {type(classes).__name__} as y"
        raise ValueError(
            "`class_weight` needs the class of each image: give classes, an "
            "array of integers [batch], as y or in x=(images, classes), or use "
            f"`sample_weight`. Received: class_weight={class_weight!r} with "
            f"{found}"
        )
    return images, classes


def _weighed(dataset: tf.data.Dataset, class_weight: Any) -> tf.data.Dataset:
    """Returns batches of images, classes and the weights of their classes."""

    @tf.autograph.experimental.do_not_convert
    def weigh(*batch: Any) -> tuple[Any, Any, tf.Tensor]:
        images, classes = _with_classes(batch, class_weight)
        label = tf.reshape(classes, [-1])
        weight = tf.ones(tf.shape(label))
        for number, value in class_weight.items():
            weight = tf.where(label == number, float(value), weight)
        return images, classes, weight

    return dataset.map(weigh).prefetch(tf.data.AUTOTUNE)


class _WithClasses(keras.utils.PyDataset):
    """Batches of images and classes, which Keras weighs; else an error."""

    def __init__(self, batches: keras.utils.PyDataset, class_weight: Any):
        super().__init__(
            batches.workers, batches.use_multiprocessing, batches.max_queue_size
        )
        self._batches = batches
        self._class_weight = class_weight

    @property
    def num_batches(self) -> int | None:
        return self._batches.num_batches

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return _with_classes(self._batches[index], self._class_weight)

    def on_epoch_begin(self) -> None:
        self._batches.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self._batches.on_epoch_end()
