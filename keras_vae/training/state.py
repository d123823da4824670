"""What a run consists of besides its data: model, optimizer, clock."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vae.config import ModelConfig
from keras_vae.models import GenerativeModel, build_model
from keras_vae.objectives import WarmupCosine
from keras_vae.training.average_statistics import AverageStatistics
from keras_vae.training.checkpoint_files import ExperimentRecord
from keras_vae.training.guard import Guard
from keras_vae.training.loss_scale import LossScale
from keras_vae.training.named_variables import named_variables
from keras_vae.training.optimizer import Adam, Adamax, Muon

__all__ = ["TrainingState", "check_finite", "make_state"]

_UNKNOWN_LENGTH = 2**40


@dataclasses.dataclass(frozen=True)
class TrainingState:
    """The model and everything that a checkpoint must hold beside it.

    Attributes:
        model: The model, with its variables.
        optimizer: Its optimizer, with its variables.
        total_steps: Length of the run in steps, int64; all schedules read it.
        elapsed: Seconds of training so far, float64.
        best: The variables of the model, by their names, as they were (with
            their averages) at the lowest validation loss so far.
        best_loss: That loss, float64; infinite before the first validation.
        best_step: The step of that validation, int64.
        epochs_waited: Epochs since then, int64.
        epoch: What the model's metrics have of the epoch so far, by name.
        average_statistics: What batch normalisation needs with the averages of
            the weights; None where either is missing.
        record: Names the experiment in each checkpoint; None names none.
    """

    model: GenerativeModel
    optimizer: keras.optimizers.Optimizer
    total_steps: tf.Variable
    elapsed: tf.Variable
    best: dict[str, tf.Variable]
    best_loss: tf.Variable
    best_step: tf.Variable
    epochs_waited: tf.Variable
    epoch: dict[str, tf.Variable]
    average_statistics: AverageStatistics | None = None
    record: ExperimentRecord | None = None

    @property
    def step(self) -> int:
        """Training steps done so far."""
        return int(self.optimizer.iterations.numpy())

    @property
    def guard(self) -> Guard:
        """The optimizer without the scaling of the loss."""
        return getattr(self.optimizer, "inner_optimizer", self.optimizer)

    def checkpoint(self, with_epoch: bool = True) -> tf.train.Checkpoint:
        """Returns the object that saves and restores all of this.

        Args:
            with_epoch: Whether `epoch` is a part, which it was not always.
        """
        parts: dict[str, Any] = {"epoch": self.epoch} if with_epoch else {}
        if self.optimizer is not self.guard:
            parts["loss_scale"] = self.optimizer
        if self.average_statistics is not None:
            parts["statistics_known"] = self.average_statistics.known
        if self.record is not None:
            parts["experiment"] = self.record
        return tf.train.Checkpoint(
            weights=named_variables(self.model),
            averages=self.averages(),
            best=self.best,
            optimizer=self.guard,
            **parts,
            total_steps=self.total_steps,
            elapsed=self.elapsed,
            best_loss=self.best_loss,
            best_step=self.best_step,
            epochs_waited=self.epochs_waited,
        )

    def averages(self) -> dict[str, Any]:
        """Returns the averages of the variables that have one, by name."""
        if not self.guard.use_ema:
            return {}
        pairs = list(
            zip(
                self.model.trainable_variables,
                self.guard.averages,
                strict=True,
            )
        )
        if self.average_statistics is not None:
            statistics = self.average_statistics
            pairs += zip(
                statistics.statistics, statistics.averages, strict=True
            )
        average = {id(variable): average for variable, average in pairs}
        return {
            name: average[id(variable)]
            for name, variable in named_variables(self.model).items()
            if id(variable) in average
        }

    def values(self, weights: str) -> dict[str, np.ndarray]:
        """Returns what a model for inference has, by name.

        Args:
            weights: `last`, the averages where there are any, or `best`.
        """
        if weights == "best":
            return {name: v.numpy() for name, v in self.best.items()}
        if self.average_statistics is not None:
            self.average_statistics.make_known()
        found = named_variables(self.model) | self.averages()
        return {name: np.array(v) for name, v in found.items()}

    def metrics(self) -> dict[str, Any]:
        """Returns the variables of the model's metrics, as `epoch` has them."""
        return _metrics(self.model)

    def keep_best(self, loss: float) -> None:
        """Keeps the variables as they are now as the best."""
        self.best_loss.assign(loss)
        self.best_step.assign(self.step)
        for name, variable in named_variables(self.model).items():
            self.best[name].assign(variable.numpy())

    def swap_averages(self) -> None:
        """Exchanges the weights with their averages, where there are any.

        So are the statistics of batch normalisation, where there is any.
        """
        if not self.guard.use_ema:
            return
        averages = self.guard.averages
        for variable, average in zip(
            self.model.trainable_variables, averages, strict=True
        ):
            old = variable.numpy()
            variable.assign(average.numpy())
            average.assign(old)
        if self.average_statistics is not None:
            self.average_statistics.swap()


def make_state(
    config: ModelConfig,
    image_shape: tuple[int, int, int],
    *,
    likelihood: str,
    total_steps: int | None,
    seed: int,
    precision: str,
    num_examples: int | None = None,
    num_bits: int = 8,
    dequantization: str = "none",
    class_names: Sequence[str] = (),
) -> TrainingState:
    """Builds a model and its optimizer. Call it in the strategy's scope.

    Args:
        config: What to build.
        image_shape: (height, width, channels).
        likelihood: As in `build_model`.
        total_steps: Length of the run, or None where only the clock knows.
        seed: Base of initial weights and noise.
        precision: Keras dtype policy of the networks.
        num_examples: As in `build_model`.
        num_bits: As in `build_model`.
        dequantization: As in `build_model`.
        class_names: As in `build_model`.
    """
    total = _counter(total_steps or _UNKNOWN_LENGTH, tf.int64)
    model = build_model(
        config,
        image_shape,
        likelihood=likelihood,
        total_steps=total,
        seed=seed,
        precision=precision,
        num_examples=num_examples,
        num_bits=num_bits,
        dequantization=dequantization,
        class_names=class_names,
    )
    rate = WarmupCosine(
        config.learning_rate,
        config.learning_rate_warmup,
        config.learning_rate_final,
        total,
    )
    optimizer = _optimizer(config, rate)
    if precision == "mixed_float16":
        optimizer = LossScale(optimizer)
    optimizer.build(model.trainable_variables)
    statistics = AverageStatistics(model) if config.ema_momentum else None
    if statistics is not None and not statistics.averages:
        statistics = None
    return TrainingState(
        model,
        optimizer,
        total_steps=total,
        elapsed=_counter(0.0, tf.float64),
        best={
            name: tf.Variable(tf.zeros(v.shape, v.dtype), trainable=False)
            for name, v in named_variables(model).items()
        },
        best_loss=_counter(math.inf, tf.float64),
        best_step=_counter(0, tf.int64),
        epochs_waited=_counter(0, tf.int64),
        epoch={
            name: _counter(0.0, tf.as_dtype(v.dtype))
            for name, v in _metrics(model).items()
        },
        average_statistics=statistics,
    )


def _optimizer(config: ModelConfig, rate: Any) -> Guard:
    moments: dict[str, Any] = {
        "beta_2": config.beta_2,
        "epsilon": config.optimizer_epsilon,
    }
    if config.optimizer == "adamax":
        inner = Adamax(rate, l2_penalty=config.weight_decay, **moments)
    elif config.optimizer == "muon":
        inner = Muon(rate, **moments)
    else:
        inner = Adam(rate, **moments)
    return Guard(
        inner,
        max_norm=config.clip_norm,
        skip_factor=config.skip_factor,
        use_ema=config.ema_momentum > 0,
        ema_momentum=config.ema_momentum or 0.99,  # Keras checks it.
    )


def _metrics(model: GenerativeModel) -> dict[str, Any]:
    metrics = (*model.trackers.values(), model.skipped_steps)
    return {f"{m.name}_{v.name}": v for m in metrics for v in m.variables}


def _counter(value: float, dtype: tf.DType) -> tf.Variable:
    return tf.Variable(value, dtype=dtype, trainable=False)


def check_finite(state: TrainingState) -> list[str]:
    """Returns the paths of the variables that hold NaN or infinity.

    The optimizer's are among them: a gradient that overflowed stays in its
    moments and in the averages, where the weights do not show it.
    """
    return [
        variable.path
        for variable in (*state.model.variables, *state.optimizer.variables)
        if variable.dtype.startswith("float")
        and not math.isfinite(float(tf.reduce_sum(tf.abs(variable.value))))
    ]
