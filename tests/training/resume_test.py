"""Tests that a run that was cut off ends as if it had not been."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.config import ImportanceWeightedConfig, NormalFixedConfig
from keras_vae.training import RunFolder, load_trained, train, trainer
from keras_vae.training.state import TrainingState
from tests.training import experiments, worker

pytestmark = pytest.mark.slow

_ROOT = pathlib.Path(__file__).resolve().parents[2]


def _assert_same(folder, values, but="none"):
    """Compares a run's checkpoint with that of another, but for some names."""
    found = experiments.checkpoint_values(folder)
    assert found.keys() == values.keys()
    for name, value in found.items():
        if name.startswith(but):
            continue
        # The same operations on the same numbers; sums over threads may
        # differ in their last bits.
        np.testing.assert_allclose(
            value, values[name], rtol=1e-5, atol=1e-6, err_msg=name
        )


def _last_step(folder):
    path = tf.train.latest_checkpoint(str(RunFolder(folder).checkpoints))
    return int(path.rpartition("-")[2])


class _Look(keras.callbacks.Callback):
    """Notes whether there is a file before each execution."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.seen = []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(self.path.exists())


def test_signals_within_an_epoch_and_at_its_end(
    tmp_path, dataset, finished_run
):
    experiment, model = finished_run.experiment, RunFolder(tmp_path).model
    # The execution at hand is finished and saved: that of the steps 9 ... 17
    # is the last one of its epoch, that of 18 ... 26 is not.
    for number, at, step in (
        (signal.SIGINT, 9, 18),
        (signal.SIGTERM, 18, 27),
    ):
        look = _Look(model)
        result = train(
            experiment,
            tmp_path,
            dataset=dataset,
            callbacks=[look, experiments.SignalAt(at, number)],
        )
        assert result.interrupted == signal.Signals(number).name
        assert result.summary["steps"] == _last_step(tmp_path) == step
        # A run that goes on has no model of before.
        assert look.seen and not any(look.seen)
        assert load_trained(tmp_path).step == result.trained.step == step
        assert model.exists()

    result = train(experiment, tmp_path, dataset=dataset)
    assert result.interrupted is None
    assert result.summary["steps"] == load_trained(tmp_path).step == 68
    _assert_same(tmp_path, finished_run.values)


def test_finished_run_is_left_as_it_is(dataset, finished_run):
    result = train(finished_run.experiment, finished_run.path, dataset=dataset)
    assert result.summary["steps"] == 68
    assert result.summary == finished_run.result.summary
    _assert_same(finished_run.path, finished_run.values)


def test_steps_per_execution_changes_nothing(
    tmp_path, dataset, finished_run, monkeypatch
):
    monkeypatch.setattr(trainer, "_STEPS_PER_EXECUTION", 5)
    train(finished_run.experiment, tmp_path, dataset=dataset)
    # But how many steps are validated together.
    _assert_same(tmp_path, finished_run.values, but="epoch/")


class _Draws(keras.callbacks.Callback):
    """Notes the draws of each execution, by its first step."""

    def __init__(self):
        super().__init__()
        self.at: dict[int, int] = {}

    def on_train_batch_begin(self, batch, logs=None):
        step = int(self.model.optimizer.iterations)
        self.at[step] = self.model.training_draws


def _more_draws_later(jit):
    return experiments.make_experiment(
        {"epochs": 2, "jit_compile": jit, "checkpoint_seconds": 0.0},
        objective=ImportanceWeightedConfig(num_samples=3, start=0.4),
    )


# Executions of 9 steps; of 34, the share of 0.4 is done with the 14th.
_DRAWS = {0: 1, 9: 1, 18: 3, 27: 3}


def test_draws_change_within_a_compiled_run(tmp_path, dataset):
    draws = _Draws()
    experiment = _more_draws_later("true")
    train(experiment, tmp_path, dataset=dataset, callbacks=[draws])
    assert draws.at == _DRAWS


def test_draws_change_within_a_run(tmp_path, dataset):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    experiment, draws = _more_draws_later("false"), _Draws()
    callbacks = [draws, experiments.CopyAt(18, whole, cut)]
    train(experiment, whole, dataset=dataset, callbacks=callbacks)
    assert draws.at == _DRAWS
    again = _Draws()
    train(experiment, cut, dataset=dataset, callbacks=[again])
    assert again.at == {18: 3, 27: 3}
    _assert_same(cut, experiments.checkpoint_values(whole))


class _Logs(keras.callbacks.Callback):
    """Notes what each epoch is logged to be, by its last step."""

    def __init__(self):
        super().__init__()
        self.at: dict[int, dict[str, float]] = {}

    def on_epoch_end(self, epoch, logs=None):
        step = int(self.model.optimizer.iterations.numpy())
        self.at[step] = dict(logs)


@pytest.mark.parametrize("distribution", ["one_device", "mirrored"])
def test_means_of_an_epoch_go_on_within_it(tmp_path, dataset, distribution):
    # Executions of 9 steps, two in an epoch: it is cut off in its midst.
    experiment = experiments.make_experiment(
        {
            "epochs": 2,
            "checkpoint_seconds": 0.0,
            "distribution": distribution,
        }
    )
    at = 27 if distribution == "one_device" else 25
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    logs, again = _Logs(), _Logs()
    callbacks = [logs, experiments.CopyAt(at, whole, cut)]
    with experiments.without_pictures():
        train(experiment, whole, dataset=dataset, callbacks=callbacks)
        train(experiment, cut, dataset=dataset, callbacks=[again])
    (last,) = again.at
    assert again.at[last] == pytest.approx(logs.at[last], rel=1e-5)


def test_checkpoints_without_the_means_of_an_epoch_go_on(
    tmp_path, dataset, finished_run, monkeypatch
):
    # As 0.2.0 wrote them.
    whole = TrainingState.checkpoint
    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "checkpoint", lambda s: whole(s, False))
        train(
            finished_run.experiment,
            tmp_path,
            dataset=dataset,
            callbacks=[experiments.SignalAt(18)],
        )
    assert not any(
        "epoch/" in n for n in experiments.checkpoint_values(tmp_path)
    )
    train(finished_run.experiment, tmp_path, dataset=dataset)
    _assert_same(tmp_path, finished_run.values)


def test_patience_counts_on(tmp_path, dataset):
    # Nothing is learned: only the first epoch is better than none.
    experiment = experiments.make_experiment(
        {"epochs": 10, "patience": 2}, learning_rate=1e-30
    )
    result = train(
        experiment,
        tmp_path,
        dataset=dataset,
        callbacks=[experiments.SignalAt(36)],
    )
    assert result.summary["steps"] == 45
    assert experiments.checkpoint_values(tmp_path)[_WAITED] == 1
    result = train(experiment, tmp_path, dataset=dataset)
    assert result.interrupted is None
    assert result.summary["steps"] == 54
    assert result.summary["best_step"] == result.summary["weights_step"] == 18
    assert result.trained.weights == load_trained(tmp_path).weights == "best"
    # It stopped: the same call does not go on.
    result = train(experiment, tmp_path, dataset=dataset)
    assert result.summary["steps"] == 54
    assert experiments.checkpoint_values(tmp_path)[_WAITED] == 2


_WAITED = "epochs_waited/.ATTRIBUTES/VARIABLE_VALUE"


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(tmp_path, dataset, precision):
    # The gradient of so sharp a likelihood overflows float16 at first.
    experiment = experiments.make_experiment(
        {"epochs": 2, "precision": precision, "checkpoint_seconds": 0.0},
        {"binarization": "none"},
        likelihood=NormalFixedConfig(scale=0.02),
        learning_rate=1e-3,
    )
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    copy = experiments.CopyAt(18, whole, cut)
    result = train(experiment, whole, dataset=dataset, callbacks=[copy])
    assert result.summary["precision"] == precision
    assert result.summary["steps"] == 34
    values = experiments.checkpoint_values(whole)
    assert all(np.all(np.isfinite(v)) for k, v in values.items() if _real(k))
    if precision == "mixed_float16":
        scale = values["loss_scale/dynamic_scale/.ATTRIBUTES/VARIABLE_VALUE"]
        assert 0 < scale < 2**15  # Steps were skipped, and counted.

    train(experiment, cut, dataset=dataset)
    found = experiments.checkpoint_values(cut)
    for name, value in values.items():
        # A last bit of float32 is a bit of 16 when it tips the rounding.
        np.testing.assert_allclose(
            found[name], value, rtol=1e-2, atol=1e-3, err_msg=name
        )


def _real(name):
    return not name.startswith("best_loss")  # Infinite without patience.


def test_kill_at_any_moment(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    worker.run(str(whole), slow=False)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.training.worker", str(killed)],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while tf.train.latest_checkpoint(str(killed / "checkpoints")) is None:
            assert process.poll() is None, "The run ended too early."
            assert time.monotonic() < deadline
            time.sleep(0.05)
        delay = random.SystemRandom().uniform(0.0, 2.0)
        time.sleep(delay)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL, "The run was not cut off."
    assert _last_step(killed) < 170
    print(f"killed {delay:.3f} s after the first checkpoint")

    worker.run(str(killed), slow=False)
    assert _last_step(killed) == 170
    _assert_same(killed, experiments.checkpoint_values(whole))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
