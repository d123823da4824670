"""Checks of what the methods of models are asked for."""

from typing import Any

import numpy as np
import tensorflow as tf

from keras_vae.config import check_number, is_whole

__all__ = ["check_temperature", "draws_of", "num_samples_of"]


_MOST_IMAGES = 2**31 - 1


def draws_of(num_samples: Any) -> Any:
    """Returns the number of draws of a pass, an int, int32 or None.

    Args:
        num_samples: A whole number of at least 1, or a scalar tensor that is
            one; None is a draw without an axis of its own.

    Raises:
        UserError: If it is something else.
    """
    if tf.is_tensor(num_samples) and num_samples.shape.rank == 0:
        if num_samples.dtype.is_integer and tf.is_symbolic_tensor(num_samples):
            return tf.cast(num_samples, tf.int32)
        num_samples = num_samples.numpy()
    if num_samples is None:
        return None
    check_number("num_samples", num_samples, 1, whole=True)
    return int(num_samples)


def check_temperature(temperature: Any) -> None:
    """Checks a temperature, or each of a tensor that can be read.

    Raises:
        UserError: If one is no finite number of at least 0.
    """
    if not tf.is_tensor(temperature):
        check_number("temperature", temperature, 0)
    elif not tf.is_symbolic_tensor(temperature):
        for one in np.ravel(temperature.numpy()).tolist():
            check_number("temperature", one, 0)


def num_samples_of(shape: Any) -> Any:
    """Returns the number of images of a shape `[num_images]`.

    Raises:
        ValueError: If the shape is another.
    """
    number: Any = None
    if tf.is_tensor(shape):
        number = shape[0] if shape.shape == [1] else None
    elif isinstance(shape, (list, tuple)) and len(shape) == 1:
        number = shape[0]
    if tf.is_tensor(number) and number.shape.rank == 0:
        if number.dtype.is_integer and tf.is_symbolic_tensor(number):
            return number
        number = number.numpy()
    if is_whole(number) and 1 <= number <= _MOST_IMAGES:
        return int(number)
    raise ValueError(
        "`shape` must be [num_images], one whole number of at least 1 and of "
        "32 bits. "
        f"Received: shape={shape}"
    )
