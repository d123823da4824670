"""Callbacks that steer a run: its clock, its safety, its checkpoints."""

import pathlib
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_vae.errors import UserError
from keras_vae.training import checkpoint_files
from keras_vae.training.divergence import (
    DivergedError,
    StopOnDivergence,
    StopOnNonFinite,
    bad_variables,
    diverged,
)
from keras_vae.training.state import TrainingState

__all__ = [
    "Averages",
    "BestWeights",
    "Checkpoints",
    "Clock",
    "ConstantDraws",
    "DivergedError",
    "Interruption",
    "StopOnDivergence",
    "StopOnNonFinite",
]


class Clock(keras.callbacks.Callback):
    """Keeps `elapsed`, and ends the run when its time or its steps are over.

    With a budget of minutes, the length of the run in steps is revised after
    each execution so that the share of the steps that are done is the share of
    the time that has passed: schedules follow the time, at whatever speed. The
    first execution, which is slow because it is traced, does not count.

    Args:
        state: The run.
        max_minutes: Budget of the whole run, all its resumptions together;
            None where the run ends after `state.total_steps`.
    """

    def __init__(self, state: TrainingState, max_minutes: float | None):
        super().__init__()
        self.state = state
        self.budget = None if max_minutes is None else 60.0 * max_minutes

    def on_train_begin(self, logs: Any = None) -> None:
        self._start = time.monotonic() - float(self.state.elapsed.numpy())
        self._first: tuple[float, float] | None = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        elapsed = time.monotonic() - self._start
        step = self.state.step
        self.state.elapsed.assign(elapsed)
        if self.budget is not None:
            self._revise(elapsed, step, self.budget)
            done = elapsed >= self.budget
        else:
            done = step >= int(self.state.total_steps.numpy())
        if done:
            self.model.stop_training = True

    def _revise(self, elapsed: float, step: int, budget: float) -> None:
        if self._first is None:
            total = int(self.state.total_steps.numpy())
            self._first = (elapsed, min(step / total, 1.0))
            return
        first_elapsed, first_share = self._first
        if elapsed <= first_elapsed:
            return
        passed = (elapsed - first_elapsed) / max(budget - first_elapsed, 1e-9)
        share = first_share + (1 - first_share) * min(passed, 1.0)
        self.state.total_steps.assign(max(int(step / share), step + 1))


class ConstantDraws(keras.callbacks.Callback):
    """Traces the training step anew where the number of draws changes.

    So the graph of a step has constant shapes, as XLA needs them. The number
    is that of the schedule at an execution's first step.
    """

    def on_train_begin(self, logs: Any = None) -> None:
        self._update()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._update()

    def _update(self) -> None:
        model = self.model
        draws = int(model.objective.draws(model.optimizer.iterations))
        if draws != model.training_draws:
            model.training_draws = draws
            model.make_train_function(force=True)


class Averages(keras.callbacks.Callback):
    """Validates, and shows, the averaged weights instead of the last ones.

    They are exchanged when validation begins and exchanged back at the end of
    the epoch: callbacks before this one see the averages in `on_epoch_end`,
    those after it the weights that are trained. In a model with batch
    normalisation each validation first estimates the statistics that go with
    the averages; a checkpoint has those of the last validation.

    Args:
        state: The run.
        batches: Returns the training images for that estimate; a function of
            the step, so that a resumed run has the same ones.
    """

    def __init__(
        self,
        state: TrainingState,
        batches: Callable[[], tf.data.Dataset] | None = None,
    ):
        super().__init__()
        self.state = state
        self.batches = batches
        self._swapped = False

    def on_test_begin(self, logs: Any = None) -> None:
        if self._swapped:
            return
        self.state.swap_averages()
        self._swapped = True
        statistics = self.state.average_statistics
        if statistics is not None and self.batches is not None:
            statistics.reestimate(self.batches())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._swapped:
            self.state.swap_averages()
            self._swapped = False


class Checkpoints(keras.callbacks.Callback):
    """Saves the run every so many seconds, and at its end.

    A checkpoint is written beside the old ones and then named as the last; a
    kill at any moment leaves the one before, which is also used where the last
    is damaged. Weights that are not finite are never saved. At the end of an
    epoch, and of the run, the validation comes first, so that a checkpoint
    holds its outcome; `Interruption` does not wait for it.

    Args:
        state: The run.
        folder: Where the checkpoints go.
        keep: How many are kept.
        seconds: So many seconds lie between two of them.
    """

    def __init__(
        self,
        state: TrainingState,
        folder: pathlib.Path,
        keep: int,
        seconds: float,
    ):
        super().__init__()
        self.state = state
        self.saved = checkpoint_files.recover(folder)
        self.manager = tf.train.CheckpointManager(
            state.checkpoint(), str(folder), max_to_keep=keep
        )
        self.seconds = seconds
        self._last = time.monotonic()
        self._continues_epoch = False
        self._before_validation: tuple[int, dict[str, float]] = (-1, {})

    def restore(self) -> bool:
        """Restores the last checkpoint; returns whether there was one."""
        if self.saved is None:
            return False
        path = self.saved.path
        checkpoint = self.manager.checkpoint
        if not checkpoint_files.has_epoch(path):
            checkpoint = self.state.checkpoint(with_epoch=False)
        try:
            checkpoint.restore(path).assert_consumed()
        except (AssertionError, ValueError) as error:
            raise UserError(
                "The checkpoint was written by another version of the package: "
                "begin a new run from its weights, with --init_from and "
                f"another --workdir. Received: {path}"
            ) from error
        return True

    def continue_epoch(self) -> None:
        """Has the metrics go on where the checkpoint was, within an epoch."""
        self._continues_epoch = True

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        # Keras has just begun them anew.
        if self._continues_epoch:
            for name, variable in self.state.metrics().items():
                variable.assign(self.state.epoch[name].numpy())
        self._continues_epoch = False

    def on_test_begin(self, logs: Any = None) -> None:
        # Validation begins the same metrics anew.
        self._before_validation = self.state.step, self._metrics()

    def _metrics(self) -> dict[str, float]:
        found = self.state.metrics()
        return {
            n: float(tf.convert_to_tensor(v.value)) for n, v in found.items()
        }

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if time.monotonic() - self._last >= self.seconds:
            self.save()

    def on_train_end(self, logs: Any = None) -> None:
        self.save()

    def save(self) -> None:
        """Saves now, unless the step was saved already."""
        path = self.manager.latest_checkpoint or ""
        if path.endswith(f"-{self.state.step}"):
            return
        bad = bad_variables(self.state)
        if bad:
            raise diverged(self.state, bad, path or None)
        step, metrics = self._before_validation
        if step != self.state.step:
            metrics = self._metrics()
        for name, variable in self.state.epoch.items():
            variable.assign(metrics[name])
        checkpoint_files.save(self.manager, self.state.step)
        self._last = time.monotonic()


class BestWeights(keras.callbacks.Callback):
    """Keeps the best weights so far, and stops when they get no better.

    Better is a lower `val_loss`, the objective that is trained, whatever it
    is: late in a run with importance-weighted draws, or with a beta that is
    not 1, the ELBO may fall where the model does what it is asked. They are the
    averages that were validated, so it comes before `Averages`, and lie in
    each checkpoint from then on.

    An epoch that a signal cut off does not count: it is counted when the
    resumed run has finished it.

    Args:
        state: The run.
        patience: Epochs without a lower `val_loss` after which the run stops;
            0 never stops it.
        interruption: Knows of signals.
    """

    def __init__(
        self,
        state: TrainingState,
        patience: int,
        interruption: "Interruption",
    ):
        super().__init__()
        self.state = state
        self.patience = patience
        self.interruption = interruption
        self._within_epoch = False

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._within_epoch = batch + 1 < self.params["steps"]

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.interruption.received and self._within_epoch:
            return
        loss = (logs or {})["val_loss"]
        if loss < float(self.state.best_loss.numpy()):
            self.state.keep_best(loss)
            self.state.epochs_waited.assign(0)
            return
        self.state.epochs_waited.assign_add(1)
        waited = int(self.state.epochs_waited.numpy())
        if self.patience and waited >= self.patience:
            self.model.stop_training = True


class Interruption(keras.callbacks.Callback):
    """Ends the run in good order on SIGTERM and on Ctrl-C.

    The run stops after the execution at hand and is saved. A second signal is
    not caught: it ends the process as it would have.

    Args:
        save: Saves the run.

    Attributes:
        received: The signal that came, or None.
    """

    def __init__(self, save: Callable[[], None] | None = None):
        super().__init__()
        self.save = save
        self.received: signal.Signals | None = None
        self._before: dict[int, Any] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # Python delivers signals to the main thread alone.
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._stop)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        # Who sends a signal may not wait for the validation.
        within_epoch = batch + 1 < self.params["steps"]
        if self.received and within_epoch and self.save is not None:
            self.save()

    def on_train_end(self, logs: Any = None) -> None:
        self.restore_handlers()

    def restore_handlers(self) -> None:
        """Gives the signals back to who had them."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _stop(self, number: int, frame: Any) -> None:
        self.received = signal.Signals(number)
        self.model.stop_training = True
        self.restore_handlers()
