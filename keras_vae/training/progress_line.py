"""A line that says how the run goes and how long it will take."""

import sys
import time
from typing import Any, TextIO

import keras

from keras_vae.notes import counted
from keras_vae.training.state import TrainingState
from keras_vae.units import NATS

__all__ = ["Progress", "duration"]


def duration(seconds: float) -> str:
    """Returns seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{rest:02d}"
    return f"{minutes}:{rest:02d}"


class Progress(keras.callbacks.Callback):
    """Prints a line an epoch; on a terminal also a bar that moves.

    `val_loss` is there beside the ELBO: it is what `patience` looks at.

    Args:
        state: The run.
        steps_per_epoch: Steps of one pass through the training images.
        batch_size: Images in a step.
        max_minutes: Budget of the run, or None where it has a number of steps.
        stream: Where to print; standard output unless given.
        unit: Of what is shown, one of `keras_vae.units`.
    """

    def __init__(
        self,
        state: TrainingState,
        steps_per_epoch: int,
        batch_size: int,
        max_minutes: float | None,
        stream: TextIO | None = None,
        unit: str = NATS,
    ):
        super().__init__()
        self.state = state
        self.steps_per_epoch = steps_per_epoch
        self.batch_size = batch_size
        self.max_minutes = max_minutes
        self.unit = unit
        self.stream = stream or sys.stdout
        self._last_shown = 0.0
        self.images_per_second = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._mark = (time.monotonic(), self.state.step)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        now = time.monotonic()
        start, step = self._mark
        self.images_per_second = (
            (self.state.step - step) * self.batch_size / max(now - start, 1e-9)
        )
        if self.stream.isatty() and now - self._last_shown > 0.5:
            self._last_shown = now
            self.stream.write("\r\x1b[K" + self._line(logs or {}))
            self.stream.flush()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        start = "\r\x1b[K" if self.stream.isatty() else ""
        self.stream.write(start + self._line(logs or {}) + "\n")
        self.stream.flush()

    def _share_done(self) -> float:
        if self.max_minutes is not None:
            done = float(self.state.elapsed.numpy()) / (60 * self.max_minutes)
        else:
            done = self.state.step / int(self.state.total_steps.numpy())
        return min(done, 1.0)

    def _line(self, logs: dict[str, Any]) -> str:
        done = self._share_done()
        bar = ("=" * int(20 * done)).ljust(20, ".")
        parts = [f"epoch {self.state.step / self.steps_per_epoch:6.2f} [{bar}]"]
        # Its own names, the one that says most first.
        names = self.state.model.METRICS
        shown = [*names, *(f"val_{name}" for name in (*names[:1], "loss"))]
        parts += [f"{k} {float(logs[k]):.2f}" for k in shown if k in logs]
        parts.append(self.unit.replace(" per ", "/"))
        skipped = int(logs.get("skipped_steps", 0))
        if skipped:
            parts.append(f"{counted(skipped, 'step')} skipped")
        parts.append(f"{self.images_per_second:,.0f} images/s")
        if 0 < done < 1:
            left = float(self.state.elapsed.numpy()) * (1 - done) / done
            parts.append(f"{duration(left)} left")
        return "  ".join(parts)
