"""Callbacks that end a run which no longer learns, and say why."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vae.training.diagnosis import diagnose, name_some
from keras_vae.training.state import TrainingState, check_finite

__all__ = [
    "DivergedError",
    "StopOnDivergence",
    "StopOnNonFinite",
    "bad_variables",
    "check_not_all_skipped",
    "diverged",
]

_LAST_STEP = 2**62
_NATS_PER_DIMENSION = 0.5
_WARMUP_SLACK = 40.0


class DivergedError(RuntimeError):
    """Training no longer learns: what was seen, where, and what may help."""


def diverged(
    state: TrainingState, what: str, checkpoint: str | None = None
) -> DivergedError:
    """Returns the error of a run that goes wrong.

    Args:
        state: The run.
        what: What was seen: a phrase, and perhaps further lines.
        checkpoint: The last checkpoint, where it is known.
    """
    rate = float(tf.convert_to_tensor(state.optimizer.learning_rate))
    where = f" ({checkpoint})" if checkpoint else ""
    return DivergedError(
        f"Training diverged by step {state.step} (learning rate {rate:.2g}): "
        f"{what}\n"
        f"The last good checkpoint{where} is kept: start again in another "
        "--workdir with a lower --config.learning_rate, a lower "
        "--config.clip_norm or --precision=float32."
    )


def bad_variables(state: TrainingState) -> str:
    """Returns a sentence on the variables that are not finite, or ""."""
    paths = check_finite(state)
    if not paths:
        return ""
    return (
        "the weights are not finite: NaN or infinity is in "
        f"{name_some(paths, 'variables')}."
    )


def check_not_all_skipped(state: TrainingState) -> None:
    """Raises DivergedError if no step of a run has changed a weight."""
    skipped = int(state.guard.skipped_steps.numpy())
    if 0 < state.step <= skipped:
        raise DivergedError(
            f"Training learned nothing: none of its {state.step} steps was "
            "finite, and all were skipped.\nStart again in another --workdir, "
            "with settings nearer to the defaults or --precision=float32."
        )


class StopOnNonFinite(keras.callbacks.Callback):
    """Ends the run when step after step has a gradient that is not finite.

    The optimizer skips such a step, and an odd one does no harm. The run ends,
    with a diagnosis of its last step, when many were skipped in a row; and at
    once when weights, moments or averages themselves are not finite.

    Args:
        state: The run.
        batch_at: `batch_at(step)` returns the batch of a step, as `fit` takes
            it, over all replicas; None where it cannot be had again.
        checkpoint: Returns the path of the last checkpoint, or None.
        max_skipped_in_a_row: So many skipped steps end the run.
    """

    def __init__(
        self,
        state: TrainingState,
        batch_at: Callable[[int], Any] | None = None,
        checkpoint: Callable[[], str | None] | None = None,
        max_skipped_in_a_row: int = 25,
    ):
        super().__init__()
        self.state = state
        self.batch_at = batch_at
        self.checkpoint = checkpoint
        self.max_skipped_in_a_row = max_skipped_in_a_row

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        optimizer = self.state.guard
        skips = int(optimizer.consecutive_skips.numpy())
        # Weights that are not finite have no finite gradient either: only
        # then are they looked at.
        if not skips:
            return
        what = bad_variables(self.state)
        if not what:
            if skips < self.max_skipped_in_a_row:
                return
            what = f"the last {skips} steps were not finite and skipped.\n"
            what += self._diagnose(optimizer)
        path = self.checkpoint() if self.checkpoint else None
        raise diverged(self.state, what, path)

    def _diagnose(self, optimizer: Any) -> str:
        if self.batch_at is None:
            return _counts(self.state, optimizer)
        step = self.state.step - 1
        try:
            return diagnose(self.state.model, self.batch_at(step), step)
        except (tf.errors.OpError, ValueError) as error:
            first = str(error).partition("\n")[0]
            return (
                f"Step {step} could not be computed again: {first}\n"
                f"{_counts(self.state, optimizer)}"
            )


def _counts(state: TrainingState, optimizer: Any) -> str:
    counts = optimizer.nonfinite_counts.numpy()
    variables = state.model.trainable_variables
    order = sorted(range(len(counts)), key=lambda index: -counts[index])
    named = [f"{variables[i].path} ({counts[i]})" for i in order if counts[i]]
    return (
        "Gradients that were not finite, and in how many steps of the run: "
        f"{name_some(named, 'variables') or 'none'}."
    )


class StopOnDivergence(keras.callbacks.Callback):
    """Ends the run when its loss is finite, but far above what it was.

    The rule: with L the lowest mean loss of an execution so far and D the
    number of values in an image, the loss stays above
    `L + factor (|L| + D / 2)` nats for `num_steps` steps in a row. Half a nat
    for each value is what a coin flip nearly costs, and it keeps the rule
    sensible where L is near 0, as the loss of a density may be.

    So a network that has died and answers every image with the same
    distribution is found: on MNIST that costs over 200 nats, and the bound is
    200 once L has been 82.

    In the warm-up of beta the loss rises as it should, up to what the finished
    warm-up costs: the rule is 40 times as generous there, and L is forgotten
    at its end. A loss that is not finite counts as above any bound.

    Args:
        state: The run.
        checkpoint: Returns the path of the last checkpoint, or None.
        factor: See above.
        num_steps: See above.
    """

    def __init__(
        self,
        state: TrainingState,
        checkpoint: Callable[[], str | None] | None = None,
        factor: float = 0.25,
        num_steps: int = 500,
    ):
        super().__init__()
        self.state = state
        self.checkpoint = checkpoint
        self.factor = factor
        self.num_steps = num_steps
        self._best = math.inf
        self._steps_above = 0

    def on_train_begin(self, logs: Any = None) -> None:
        self._forget()
        self._warming = self._in_warmup()
        self._step = self.state.step

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        # The sums of the metric begin anew.
        self._sums = (0.0, 0.0)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        steps = self.state.step - self._step
        self._step = self.state.step
        if self._warming and not self._in_warmup():
            self._warming = False
            self._forget()
        loss = self._recent_loss(steps)
        if loss is None:
            return
        limit = self._limit()
        if loss <= limit:
            self._best = min(self._best, loss)
            self._steps_above = 0
            return
        self._steps_above += steps
        if self._steps_above >= self.num_steps:
            path = self.checkpoint() if self.checkpoint else None
            what = (
                f"the loss, {loss:.4g} nats, has been above {limit:.4g} for "
                f"{self._steps_above} steps; it was {self._best:.4g} before."
            )
            raise diverged(self.state, what, path)

    def _forget(self) -> None:
        self._best = math.inf
        self._steps_above = 0

    def _in_warmup(self) -> bool:
        beta = self.state.model.objective.kl_weight
        last = beta(tf.constant(_LAST_STEP, tf.int64))
        return bool(beta(tf.constant(self.state.step, tf.int64)) < last)

    def _scale(self, loss: float) -> float:
        size = math.prod(self.state.model.image_shape)
        return abs(loss) + _NATS_PER_DIMENSION * size

    def _limit(self) -> float:
        if self._best == math.inf:
            return math.inf
        factor = self.factor * (_WARMUP_SLACK if self._warming else 1.0)
        return self._best + factor * self._scale(self._best)

    def _recent_loss(self, steps: int) -> float | None:
        """Returns the mean loss since the last call.

        The log has the mean since the epoch began, which hides what is new;
        the sum that it is made of is float32.

        Args:
            steps: Steps since the last call.

        Returns:
            Nats per image; NaN where no loss was finite, and None where the
            sum is so large that it does not tell.
        """
        metric = next(m for m in self.state.model.metrics if m.name == "loss")
        total, count = float(metric.total.numpy()), float(metric.count.numpy())
        old_total, old_count = self._sums
        self._sums = (total, count)
        if count <= old_count:
            return math.nan
        if not math.isfinite(total - old_total):
            return None
        loss = (total - old_total) / (count - old_count)
        rounding = float(np.spacing(np.float32(abs(total)))) * steps
        error = rounding / (count - old_count)
        best = loss if self._best == math.inf else self._best
        return None if error > 0.01 * self._scale(best) else loss
