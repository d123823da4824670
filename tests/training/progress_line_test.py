"""Tests of the line that a run prints."""

import io
import types

import pytest
import tensorflow as tf

from keras_vae.training import progress_line
from keras_vae.training.progress_line import Progress, duration

_LOGS = {
    "elbo": -100.126,
    "log_likelihood": -80.0,
    "kl_divergence": 20.126,
    "loss": 100.126,
    "val_elbo": -99.0,
    "val_loss": 99.0,
}


class _Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands at `clock.now` seconds."""
    clock = types.SimpleNamespace(now=1000.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(progress_line, "time", clock)
    return clock


def _state(
    step, total, elapsed, metrics=("elbo", "log_likelihood", "kl_divergence")
):
    return types.SimpleNamespace(
        model=types.SimpleNamespace(METRICS=metrics),
        step=step,
        total_steps=tf.constant(total, tf.int64),
        elapsed=tf.constant(elapsed, tf.float64),
    )


def _epoch(clock, stream, state, max_minutes=None, steps=50, logs=None):
    """Lets a run of 100-step epochs take `steps` steps in ten seconds."""
    line = Progress(state, 100, 16, max_minutes, stream)
    line.on_epoch_begin(0)
    for _ in range(2):
        state.step += steps // 2
        clock.now += 5
        line.on_train_batch_end(0, _LOGS if logs is None else logs)
    line.on_epoch_end(0, _LOGS if logs is None else logs)
    return line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"),
        (59.4, "0:59"),
        (59.5, "1:00"),
        (605, "10:05"),
        (3599.7, "1:00:00"),
        (36_061, "10:01:01"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_line_of_an_epoch(clock):
    stream = io.StringIO()
    line = _epoch(clock, stream, _state(200, 1000, 90.0))
    # 50 steps of 16 images in 10 s; 90 s for a quarter leave 270 s.
    assert line.images_per_second == pytest.approx(80)
    assert stream.getvalue() == (
        "epoch   2.50 [=====...............]  elbo -100.13  "
        "log_likelihood -80.00  kl_divergence 20.13  val_elbo -99.00  "
        "val_loss 99.00  nats/image  80 images/s  4:30 left\n"
    )


def test_line_of_an_autoencoder(clock):
    stream = io.StringIO()
    logs = {"loss": 3.0, "squared_error": 3.0}
    logs |= {"val_squared_error": 4.0, "val_loss": 4.0}
    state = _state(0, 100, 60.0, metrics=("squared_error",))
    _epoch(clock, stream, state, logs=logs)
    text = stream.getvalue()
    assert "squared_error 3.00  val_squared_error 4.00  val_loss 4.00" in text
    assert "elbo" not in text


def test_budget_of_minutes_counts_time(clock):
    stream = io.StringIO()
    _epoch(clock, stream, _state(0, 2**40, 90.0), max_minutes=2)
    assert "[===============.....]" in stream.getvalue()
    assert "0:30 left" in stream.getvalue()


def test_nothing_is_left_at_the_end(clock):
    stream = io.StringIO()
    _epoch(clock, stream, _state(50, 100, 90.0))
    assert "[====================]" in stream.getvalue()
    assert "left" not in stream.getvalue()


def test_terminal_shows_a_line_that_is_replaced(clock):
    stream = _Terminal()
    _epoch(clock, stream, _state(200, 1000, 90.0))
    shown = stream.getvalue().split("\r\x1b[K")
    # Nothing before the first, then one for each execution, then the epoch's.
    assert [len(shown), shown[0]] == [4, ""]
    assert [text.endswith("\n") for text in shown[1:]] == [False, False, True]


def test_terminal_is_not_flooded(clock):
    stream = _Terminal()
    line = Progress(_state(10, 100, 1.0), 100, 16, None, stream)
    line.on_epoch_begin(0)
    for _ in range(100):
        clock.now += 0.01
        line.on_train_batch_end(0, _LOGS)
    assert stream.getvalue().count("\r") == 2


def test_no_terminal_no_control_characters(finished_run):
    images, *lines = finished_run.output.splitlines()
    assert images.startswith("219 images: ")
    assert len(lines) == 4
    assert "\r" not in finished_run.output
    assert "\x1b" not in finished_run.output
    assert all("val_elbo" in line for line in lines)


def test_skipped_steps_are_said(clock):
    texts = []
    for skipped in (0.0, 2.0):
        stream = io.StringIO()
        logs = {**_LOGS, "skipped_steps": skipped}
        _epoch(clock, stream, _state(200, 1000, 90.0), logs=logs)
        texts.append(stream.getvalue())
    assert "skipped" not in texts[0]
    assert "nats/image  2 steps skipped  80 images/s" in texts[1]


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
