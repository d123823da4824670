"""What TensorBoard shows of a run."""

import pathlib
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams

from keras_vae import plotting
from keras_vae.io.failures import writing
from keras_vae.models import LatentStatistics, latent_statistics
from keras_vae.training.progress_line import Progress
from keras_vae.training.state import TrainingState

__all__ = ["TensorBoard"]

_NUM_PICTURES = 32


class TensorBoard(keras.callbacks.Callback):
    """Writes scalars each epoch, pictures and histograms at most every 20 s.

    Scalars are `elbo`, `log_likelihood`, `kl_divergence`, `loss` (under
    `train` and `validation`), `beta`, `learning_rate`, `images_per_second`,
    `gradient_norm` (of the last step that was applied, before clipping),
    `skipped_steps` (so far) and `active_units`; pictures are those that the
    model draws, see `GenerativeModel.pictures`; `kl_by_dimension` is a
    histogram; HParams shows the configuration beside the last validation
    scalars. A hierarchical model also has the KL of each group, as scalars and
    as a histogram, and the number of collapsed groups.

    It must come before `Averages`, so that it sees the averaged weights.

    Args:
        state: The run.
        folder: Where the event files go.
        validation: Batches of validation images.
        progress: Knows the images per second.
        configuration: Names and values for HParams.
        seconds: Least time between two sets of pictures.
    """

    def __init__(
        self,
        state: TrainingState,
        folder: pathlib.Path,
        validation: tf.data.Dataset,
        progress: Progress,
        configuration: dict[str, Any],
        seconds: float = 20.0,
    ):
        super().__init__()
        self.state = state
        self.folder = folder
        self.validation = validation
        self.progress = progress
        self.configuration = configuration
        self.seconds = seconds
        self._last_pictures = -float("inf")

    def on_train_begin(self, logs: Any = None) -> None:
        with writing(self.folder):
            self._writers = {
                name: tf.summary.create_file_writer(str(self.folder / name))
                for name in ("train", "validation")
            }
        batch = next(iter(self.validation.unbatch().batch(_NUM_PICTURES)))
        self._images, self._condition = self.state.model.unpack(batch)
        # HParams takes the metrics of a session from the run that the session
        # is written to, and those to compare runs by are the validation's. It
        # finds the names and ranges of all runs by itself; an experiment
        # written here would hide what other runs in the same log folder have.
        with self._writers["validation"].as_default():
            hparams.hparams(
                {
                    key: value
                    if isinstance(value, (bool, int, float, str))
                    else str(value)
                    for key, value in self.configuration.items()
                }
            )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        with writing(self.folder):
            self._write(self.state.step, dict(logs or {}))

    def _write(self, step: int, values: dict[str, Any]) -> None:
        # Those of the epoch; `_optimizer` writes all of the run.
        values.pop("skipped_steps", None)
        with self._writers["validation"].as_default():
            for name in list(values):
                if name.startswith("val_"):
                    value = values.pop(name)
                    self._scalar(name.removeprefix("val_"), value, step)
            self._latents(step)
        with self._writers["train"].as_default():
            for name, value in values.items():
                self._scalar(name, value, step)
            model, optimizer = self.state.model, self.state.optimizer
            beta = model.objective.kl_weight(optimizer.iterations)
            tf.summary.scalar("beta", beta, step)
            rate = tf.convert_to_tensor(optimizer.learning_rate)
            tf.summary.scalar("learning_rate", rate, step)
            speed = self.progress.images_per_second
            tf.summary.scalar("images_per_second", speed, step)
            self._optimizer(step)
        self._flush()

    def _scalar(self, name: str, value: Any, step: int) -> None:
        of_loss = name in ("loss", *self.state.model.METRICS)
        unit = self.progress.unit if of_loss else None
        tf.summary.scalar(name, value, step, description=unit)

    def on_train_end(self, logs: Any = None) -> None:
        for writer in self._writers.values():
            writer.close()

    def _optimizer(self, step: int) -> None:
        optimizer: Any = self.state.guard
        skipped = tf.convert_to_tensor(optimizer.skipped_steps)
        tf.summary.scalar("skipped_steps", skipped, step)
        norm = tf.convert_to_tensor(optimizer.accepted_norms)[-1]
        tf.summary.scalar("gradient_norm", norm, step)

    def _latents(self, step: int) -> None:
        """Writes what is drawn from the model; run with averaged weights."""
        now = time.monotonic()
        finished = self.model.stop_training
        if now - self._last_pictures < self.seconds and not finished:
            return
        self._last_pictures = now
        model = self.state.model
        statistics = None
        if model.has_prior:
            statistics = latent_statistics(model, self.validation)
            _write_latents(statistics, step)
        for picture in model.pictures(
            self._images, self._condition, statistics, brief=True
        ):
            grid = plotting.image_grid(picture.images, picture.columns)
            tf.summary.image(picture.name, grid[np.newaxis], step)

    def _flush(self) -> None:
        for writer in self._writers.values():
            writer.flush()


def _write_latents(statistics: LatentStatistics, step: int) -> None:
    if statistics.active_units is not None:
        tf.summary.scalar("active_units", statistics.active_units, step)
    tf.summary.histogram("kl_by_dimension", statistics.kl_by_dimension, step)
    if len(statistics.group_shapes) == 1:
        return
    for index, kl in enumerate(statistics.kl_by_group):
        tf.summary.scalar(f"kl_by_group/{index:02d}", kl, step)
    tf.summary.histogram("kl_by_group", statistics.kl_by_group, step)
    collapsed = len(statistics.collapsed_groups)
    tf.summary.scalar("collapsed_groups", collapsed, step)
