"""Tests that a run is read while it trains."""

import shutil

import numpy as np
import pytest

from keras_vae.training import (
    RunFolder,
    checkpoint_files,
    load_trained_run,
    trained,
)
from tests.training import experiments


@pytest.fixture
def run(finished_run, tmp_path):
    """A copy of a finished run whose last checkpoint is its only one."""
    shutil.copytree(finished_run.path, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    for path in folder.checkpoints.glob("ckpt-*"):
        if f"ckpt-{_LAST}." not in path.name:
            path.unlink()
    return folder


_LAST = 4 * experiments.STEPS_PER_EPOCH


def _go_on(folder, step):
    """Saves a checkpoint and removes the one before, as a training does."""
    for path in list(folder.glob(f"ckpt-{step}.*")):
        path.rename(folder / path.name.replace(str(step), str(step + 1)))


def _before(monkeypatch, module, name, act):
    """Calls `act` before the first call of a function."""
    original, waiting = getattr(module, name), [act]

    def called(*args, **kwargs):
        if waiting:
            waiting.pop()()
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, called)


@pytest.mark.parametrize(
    ("module", "name"),
    [(trained, "make_state"), (checkpoint_files, "_read")],
)
def test_checkpoint_may_go_while_it_is_read(
    run, finished_run, monkeypatch, capsys, module, name
):
    _before(monkeypatch, module, name, lambda: _go_on(run.checkpoints, _LAST))
    found = load_trained_run(run.path)
    assert (found.step, found.last_step) == (_LAST + 1, _LAST + 1)
    assert capsys.readouterr().err == ""
    expected = load_trained_run(finished_run.path).model.get_weights()
    for one, two in zip(found.model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(one, two)


def test_best_may_come_while_the_last_is_read(run, finished_run, monkeypatch):
    # As if the run had patience, and its first best came in between.
    experiment = experiments.make_experiment({"patience": 3})
    monkeypatch.setattr(RunFolder, "load_experiment", lambda folder: experiment)
    monkeypatch.setattr(
        trained.run_record, "check", lambda saved, folder, experiment: None
    )
    original = checkpoint_files._read

    def read(path):
        record, _ = original(path)
        if not run.best.exists():
            run.best.mkdir()
            for file in list(run.checkpoints.glob("ckpt-*")):
                name = file.name.replace(str(_LAST), "17")
                shutil.copy(file, run.best / name)
        return record, 1.5

    monkeypatch.setattr(checkpoint_files, "_read", read)
    assert load_trained_run(run.path).step == 17


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
