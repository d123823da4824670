"""Schedules over a run of a given length: learning rate and KL weight.

All are Keras `LearningRateSchedule`s, functions of the step, and all know the
length of the run as `total_steps`: a number, or one `tf.Variable` that they
share, which the trainer revises while it trains against the clock.
"""

import math
from typing import Any

import keras
import tensorflow as tf

__all__ = [
    "LAST_STEP",
    "KLWarmup",
    "LinearWarmup",
    "OneStep",
    "WarmupCosine",
]

# Beyond the end of any run, also of one whose length is not known yet.
LAST_STEP = 2**62


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
class OneStep(keras.optimizers.schedules.LearningRateSchedule):
    """Is `initial` until a share of the run is done, and `final` from then on.

    Args:
        initial: Value at step 0.
        final: Last value.
        fraction: Share of the run after which it changes, in [0, 1].
        total_steps: Length of the run in steps, a number or a `tf.Variable`.

    Raises:
        ValueError: If `fraction` or `total_steps` is not as said above.

    Example:
        >>> num_samples = OneStep(1, 5, fraction=0.8, total_steps=100)
        >>> float(num_samples(79)), float(num_samples(80))
        (1.0, 5.0)
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
        begun = _progress(step, self.total_steps) >= self.fraction
        return tf.where(begun, float(self.final), float(self.initial))

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

    With w the share of the run that the rise takes and r the final value as a
    share of `peak`, it is at step t of T, with p = t / T,

        peak p / w                                             p < w
        peak (r + (1 - r) (1 + cos(pi (p - w) / (1 - w))) / 2)  from then on

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


@keras.saving.register_keras_serializable(package="keras_vae")
class KLWarmup(keras.optimizers.schedules.LearningRateSchedule):
    """The weight of the KL in NVAE's warm-up.

    `final max(min((t - delay T) / (fraction T), 1), floor)` at step t of T.

    Args:
        final: Value from the end of the warm-up on.
        fraction: Share of the run in which the value rises, in [0, 1].
        total_steps: Length T of the run, a number or a `tf.Variable`.
        delay: Share of the run before the rise, in [0, 1].
        floor: Least value, as a share of `final`, in [0, 1].

    Raises:
        ValueError: If an argument is not as said above.

    Example:
        >>> beta = KLWarmup(1.0, fraction=0.3, total_steps=60_000)
        >>> round(float(beta(9_000)), 6)
        0.499667

    References:
        Vahdat and Kautz (2020), NVAE, appendix A.
    """

    def __init__(
        self,
        final: float,
        fraction: float,
        total_steps: int | tf.Variable,
        delay: float = 1e-4,
        floor: float = 1e-4,
    ):
        for name, value in (
            ("fraction", fraction),
            ("delay", delay),
            ("floor", floor),
        ):
            _check(name, value, 0 <= value <= 1, "in [0, 1]")
        _check_length(total_steps)
        super().__init__()
        self.final = final
        self.fraction = fraction
        self.total_steps = total_steps
        self.delay = delay
        self.floor = floor

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the value at `step`, a float32 scalar."""
        if self.fraction == 0:
            return tf.constant(self.final, tf.float32)
        total = tf.cast(self.total_steps, tf.float32)
        risen = tf.cast(step, tf.float32) - self.delay * total
        share = tf.clip_by_value(risen / (self.fraction * total), 0.0, 1.0)
        return self.final * tf.maximum(share, self.floor)

    def get_config(self) -> dict[str, Any]:
        return {
            "final": self.final,
            "fraction": self.fraction,
            "total_steps": _as_int(self.total_steps),
            "delay": self.delay,
            "floor": self.floor,
        }
