"""Tests that a run is read while it trains."""

import shutil

import numpy as np
import pytest

from keras_vae.training import (
    RunFolder,
    checkpoint_files,
    load_trained,
    trained,
)
from tests.training import experiments


@pytest.fixture
def run(finished_run, tmp_path):
    """A copy of a finished run whose last checkpoint is its only one."""
    shutil.copytree(finished_run.path, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    folder.model.unlink()  # A run that trains has none.
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
    [
        (trained, "build_model"),
        (checkpoint_files, "_read"),
        (checkpoint_files, "has_best"),
    ],
)
def test_checkpoint_may_go_while_it_is_read(
    run, finished_run, monkeypatch, capsys, module, name
):
    _before(monkeypatch, module, name, lambda: _go_on(run.checkpoints, _LAST))
    found = load_trained(run.path)
    assert (found.step, found.last_step) == (_LAST + 1, _LAST + 1)
    assert capsys.readouterr().err == ""
    expected = load_trained(finished_run.path).model.get_weights()
    for one, two in zip(found.model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(one, two)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
