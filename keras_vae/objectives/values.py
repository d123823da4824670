"""Settings of objectives: numbers, or schedules of the step."""

from typing import Any

import keras
import tensorflow as tf

__all__ = ["SCHEDULE", "check_weight", "deserialized", "serialized", "value_at"]

SCHEDULE = keras.optimizers.schedules.LearningRateSchedule


def check_weight(name: str, value: Any) -> None:
    """Raises ValueError unless `value` is a weight or a schedule of one."""
    # Not any function: it could not be saved with the model.
    if not isinstance(value, SCHEDULE) and (
        callable(value) or not 0 <= value < float("inf")
    ):
        raise ValueError(
            f"`{name}` must be a finite number of at least 0, or a Keras "
            f"LearningRateSchedule. Received: {name}={value}"
        )


def value_at(value: Any, step: tf.Tensor) -> tf.Tensor:
    """Returns a setting at a step, a float32 scalar."""
    if isinstance(value, SCHEDULE):
        return value(step)
    return tf.constant(value, tf.float32)


def serialized(value: Any) -> Any:
    """Returns a number as it is, and an object as what JSON can hold."""
    if isinstance(value, (int, float)):
        return value
    return keras.saving.serialize_keras_object(value)


def deserialized(config: dict[str, Any]) -> dict[str, Any]:
    """Returns arguments of which some were made by `serialized`."""
    return {
        name: keras.saving.deserialize_keras_object(value)
        if isinstance(value, dict)
        else value
        for name, value in config.items()
    }
