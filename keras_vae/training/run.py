"""The call of `fit` in a run, with its data and its callbacks."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_vae.data import ImageDataset
from keras_vae.training.callbacks import (
    Averages,
    BestWeights,
    Checkpoints,
    Clock,
    ConstantDraws,
    Interruption,
    StopOnDivergence,
    StopOnNonFinite,
)
from keras_vae.training.experiment import ExperimentConfig
from keras_vae.training.preparation import Preparation
from keras_vae.training.progress_line import Progress
from keras_vae.training.run_folder import RunFolder
from keras_vae.training.state import TrainingState
from keras_vae.training.tensorboard import TensorBoard

__all__ = ["EVALUATION_BATCH_SIZE", "Run"]

EVALUATION_BATCH_SIZE = 500
_STATISTICS_BATCHES = 50
_NO_END = 10**6


@dataclasses.dataclass(frozen=True)
class Run:
    """The call of `fit`, with its data and its callbacks.

    Attributes:
        experiment: What is trained.
        preparation: How the images reach the model.
        dataset: The images.
        state: The model and what belongs to it.
        folder: The run folder.
        epoch: Steps of one pass through the training images.
    """

    experiment: ExperimentConfig
    preparation: Preparation
    dataset: ImageDataset
    state: TrainingState
    folder: RunFolder
    epoch: int

    def fit(
        self,
        checkpoints: Checkpoints,
        callbacks: Sequence[keras.callbacks.Callback],
    ) -> str | None:
        """Trains to the end; returns the signal that ended it early."""
        if self._finished():
            return None
        # It is of before; the checkpoints say more until the end.
        self.folder.model.unlink(missing_ok=True)
        interruption = Interruption(checkpoints.save)
        validation = self._validation()
        callbacks = [
            *self._callbacks(checkpoints, validation, interruption),
            interruption,
            *callbacks,
        ]
        per_execution = self.state.model.steps_per_execution
        interval = math.ceil(self.epoch / per_execution) * per_execution
        # A run that was cut off within an epoch ends that epoch first, so that
        # it is validated where it would have been.
        rest = -self.state.step % interval
        try:
            if rest:
                checkpoints.continue_epoch()
                self._fit(rest, 1, validation, callbacks)
            if not (rest and (interruption.received or self._finished())):
                self._fit(interval, _NO_END, validation, callbacks)
        finally:
            interruption.restore_handlers()
        return interruption.received.name if interruption.received else None

    def stretch_schedules(self) -> str:
        """Makes the schedules as long as the run, which may be longer now.

        Returns:
            What became of them; nothing where they are as they were.
        """
        state, length = self.state, self.experiment.training
        total = int(state.total_steps.numpy())
        if length.max_minutes:
            elapsed = float(state.elapsed.numpy())
            is_longer = state.step >= total - 1 and not self._finished()
            if not is_longer or not elapsed:
                return ""
            longer = int(state.step * 60 * length.max_minutes / elapsed)
        else:
            longer = self.epoch * length.epochs
        if longer == total:
            return ""
        before = float(state.guard.learning_rate)
        state.total_steps.assign(longer)
        if not state.step:
            return ""
        after = float(state.guard.learning_rate)
        return (
            f"\nthe run is longer now, about {longer:,} steps instead of "
            f"{total:,}: its schedules are stretched to that, so that the "
            f"learning rate continues from {after:.3g} (it was at {before:.3g})"
        )

    def describe_start(self) -> str:
        """Returns a line on where a run that was begun before continues."""
        step, length = self.state.step, self.experiment.training
        if self._finished():
            what = f"nothing was left to do: it is finished at step {step}"
        elif not step:
            what = "starts at step 0: none was done yet"
        elif length.max_minutes:
            minutes = float(self.state.elapsed.numpy()) / 60
            what = (
                f"continues from step {step}, after {minutes:.1f} of "
                f"{length.max_minutes:g} minutes"
            )
        else:
            what = f"continues from step {step} of {self._total_steps()}"
        return f"{what} ({self.folder.path})"

    def _fit(
        self,
        steps: int,
        epochs: int,
        validation: tf.data.Dataset,
        callbacks: Sequence[keras.callbacks.Callback],
    ) -> None:
        self.state.model.fit(
            self._batches(self.state.step, self._total_steps()),
            epochs=epochs,
            steps_per_epoch=steps,
            validation_data=validation,
            shuffle=False,
            verbose=0,
            callbacks=callbacks,
        )

    def _total_steps(self) -> int | None:
        """Returns the length of the run, None where the clock ends it."""
        length = self.experiment.training
        return None if length.max_minutes else self.epoch * length.epochs

    def _finished(self) -> bool:
        state, length = self.state, self.experiment.training
        waited = int(state.epochs_waited.numpy())
        if length.patience and waited >= length.patience:
            return True
        if length.max_minutes:
            return float(state.elapsed.numpy()) >= 60 * length.max_minutes
        return state.step >= self.epoch * length.epochs

    def _batches(self, start_step: int, num_steps: int | None) -> Any:
        """Returns the training images from one step to another, a dataset."""
        return self.preparation.training_batches(
            self.dataset.splits["train"],
            batch_size=self.experiment.model.batch_size,
            start_step=start_step,
            num_steps=num_steps,
            with_labels=bool(self.state.model.num_classes),
        )

    def _batch_at(self, step: int) -> Any:
        """Returns the batch of a training step once more."""
        return next(iter(self._batches(step, step + 1)))

    def _statistics_batches(self) -> tf.data.Dataset:
        """Returns the next training images, beyond the end of the run too."""
        step = self.state.step
        return self._batches(step, step + min(_STATISTICS_BATCHES, self.epoch))

    def _validation(self) -> tf.data.Dataset:
        return self.preparation.evaluation_batches(
            self.dataset.splits["validation"],
            batch_size=EVALUATION_BATCH_SIZE,
            with_labels=bool(self.state.model.num_classes),
        )

    def _callbacks(
        self,
        checkpoints: Checkpoints,
        validation: tf.data.Dataset,
        interruption: Interruption,
    ) -> list[Any]:
        state, length = self.state, self.experiment.training
        objective = self.experiment.model.objective
        progress = Progress(
            state,
            self.epoch,
            self.experiment.model.batch_size,
            length.max_minutes,
            unit=self.preparation.unit,
        )
        board = TensorBoard(
            state,
            self.folder.tensorboard,
            validation,
            progress,
            {
                "model": self.experiment.model.name,
                **self.experiment.model.flat(),
                "dataset": self.experiment.data.dataset,
                **self.preparation.protocol(),
                "precision": self.preparation.precision,
            },
        )

        def last_checkpoint() -> str | None:
            return checkpoints.manager.latest_checkpoint

        callbacks = [
            StopOnNonFinite(state, self._batch_at, last_checkpoint),
            StopOnDivergence(state, last_checkpoint),
            Clock(state, length.max_minutes),
            *([ConstantDraws()] if objective.draws_change else []),
            progress,
            board,
            BestWeights(state, length.patience, interruption),
            Averages(state, self._statistics_batches),
        ]
        return [*callbacks, checkpoints]
