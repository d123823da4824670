"""Schedules over a run of a given length: learning rate and KL weight.

Both are Keras `LearningRateSchedule`s, functions of the step, and both know
the length of the run as `total_steps`: a number, or one `tf.Variable` that
they share, which the trainer revises while it trains against the clock.
"""

import math
from typing import Any

import keras
import tensorflow as tf

__all__ = ["LinearWarmup", "WarmupCosine"]


def _progress(step: tf.Tensor, total_steps: Any) -> tf.Tensor:
    """Returns the share of the run that is done, in [0, 1]."""
    total = tf.cast(total_steps, tf.float32)
    return tf.clip_by_value(tf.cast(step, tf.float32) / total, 0.0, 1.0)


def _check(name: str, value: float, is_valid: bool, rule: str) -> None:
    if not is_valid:
        raise ValueError(f"`{name}` must be {rule}. Received: {name}={value}")


def _as_int(total_steps: Any) -> int:
    return int(
        total_steps.numpy() if hasattr(total_steps, "numpy") else total_steps
    )


def _check_length(total_steps: Any) -> None:
    # A variable is revised later; what it holds now says nothing.
    if not isinstance(total_steps, tf.Variable):
        _check("total_steps", total_steps, total_steps > 0, "above 0")


@keras.saving.register_keras_serializable(package="keras_vae")
class LinearWarmup(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly from `initial` to `final`, then stays there.

    Args:
        initial: Value at step 0.
        final: Value from the end of the warm-up on.
        fraction: Share of the run that the warm-up takes, in [0, 1].
        total_steps: Length of the run in steps, a number or a `tf.Variable`.

    Raises:
        ValueError: If `fraction` or `total_steps` is not as said above.

    Example:
        >>> beta = LinearWarmup(0.0, 1.0, fraction=0.5, total_steps=100)
        >>> float(beta(25))
        0.5
    """

    def __init__(
        self,
        initial: float,
        final: float,
        fraction: float,
        total_steps: int | tf.Variable,
    ):
        _check("fraction", fraction, 0 <= fraction <= 1, "in [0, 1]")
        _check_length(total_steps)
        super().__init__()
        self.initial = initial
        self.final = final
        self.fraction = fraction
        self.total_steps = total_steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the value at `step`, a float32 scalar."""
        if self.fraction == 0:
            return tf.constant(self.final, tf.float32)
        share = tf.minimum(_progress(step, self.total_steps) / self.fraction, 1)
        return self.initial + (self.final - self.initial) * share

    def get_config(self) -> dict[str, Any]:
        return {
            "initial": self.initial,
            "final": self.final,
            "fraction": self.fraction,
            "total_steps": _as_int(self.total_steps),
        }


@keras.saving.register_keras_serializable(package="keras_vae")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Linear rise from 0 to `peak`, then a half cosine to the final value.

    Args:
        peak: The highest learning rate.
        warmup_fraction: Share of the run that the rise takes, in [0, 1).
        final_fraction: Value at the end, as a share of `peak`.
        total_steps: Length of the run in steps, a number or a `tf.Variable`.

    Raises:
        ValueError: If `warmup_fraction` or `total_steps` is not as said above.

    References:
        Loshchilov and Hutter (2017), SGDR, equation 5.
    """

    def __init__(
        self,
        peak: float,
        warmup_fraction: float,
        final_fraction: float,
        total_steps: int | tf.Variable,
    ):
        _check(
            "warmup_fraction",
            warmup_fraction,
            0 <= warmup_fraction < 1,
            "at least 0 and below 1",
        )
        _check_length(total_steps)
        super().__init__()
        self.peak = peak
        self.warmup_fraction = warmup_fraction
        self.final_fraction = final_fraction
        self.total_steps = total_steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the learning rate at `step`, a float32 scalar."""
        progress = _progress(step, self.total_steps)
        warm = self.warmup_fraction
        rise = progress / warm if warm > 0 else tf.ones_like(progress)
        angle = math.pi * tf.maximum((progress - warm) / (1.0 - warm), 0.0)
        cosine = 0.5 * (1.0 + tf.cos(angle))
        fall = self.final_fraction + (1.0 - self.final_fraction) * cosine
        return self.peak * tf.minimum(rise, 1.0) * fall

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "warmup_fraction": self.warmup_fraction,
            "final_fraction": self.final_fraction,
            "total_steps": _as_int(self.total_steps),
        }
