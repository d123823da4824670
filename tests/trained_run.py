"""One small run of `apps/train.py`, shared by the tests that need one.

The processes of a test session share it too: a test that writes takes a copy.

A folder's conftest.py makes it a fixture:

    @pytest.fixture(scope="session")
    def trained_run(tmp_path_factory):
        return trained_run.make(tmp_path_factory)

`make_conditional` is the same for a VAE that knows the ten classes.
"""

import dataclasses
import functools
import json
import os
import pathlib
import subprocess

import filelock
import pytest

from keras_vae.training import TrainedModel, load_trained
from tests.apps import app

__all__ = [
    "NUM_IMPORTANCE_SAMPLES",
    "TrainedRun",
    "make",
    "make_conditional",
]

NUM_IMPORTANCE_SAMPLES = 5


@dataclasses.dataclass(frozen=True)
class TrainedRun:
    """A finished run of a small dense VAE on mnist_5k.

    Attributes:
        data_dir: Where TFDS keeps mnist_5k.
        workdir: The run folder.
        export_dir: The exported model's folder.
        result: The finished process.
        flags: Its flags, without the two folders that it wrote.
    """

    data_dir: pathlib.Path
    workdir: pathlib.Path
    export_dir: pathlib.Path
    result: subprocess.CompletedProcess[str]
    flags: tuple[str, ...]

    @functools.cached_property
    def trained(self) -> TrainedModel:
        """The model of the run, which is loaded once."""
        return load_trained(self.workdir)


def make(factory: pytest.TempPathFactory) -> TrainedRun:
    """Trains, once for each test session."""
    # Long enough to be cut off in its midst, by the tests of resuming.
    return _make(_base(factory), "trained_run", "--epochs=6")


def make_conditional(factory: pytest.TempPathFactory) -> TrainedRun:
    """Trains a conditional VAE for an epoch, once for each test session."""
    flags = ("--config.num_classes=auto", "--epochs=1")
    return _make(_base(factory), "conditional_run", *flags)


def _base(factory: pytest.TempPathFactory) -> pathlib.Path:
    """Returns the temporary folder of the session, of all its processes."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@functools.cache
def _make(base: pathlib.Path, name: str, *more: str) -> TrainedRun:
    folder = base / name
    data_dir = base / "trained_run_data"
    flags = (
        "--dataset=mnist_5k",
        f"--data_dir={data_dir}",
        *more,
        "--checkpoint_seconds=0",
        "--config.architecture=dense",
        "--config.architecture.hidden_units=32",
        "--config.latent_dim=4",
        f"--num_importance_samples={NUM_IMPORTANCE_SAMPLES}",
    )
    workdir, export_dir = folder / "run", folder / "export"
    folders = (f"--workdir={workdir}", f"--export_dir={export_dir}")
    with filelock.FileLock(base / f"{name}.lock"):
        result = _train_once(folder, *flags, *folders)
    assert result.returncode == 0, result.stdout + result.stderr
    return TrainedRun(data_dir, workdir, export_dir, result, flags)


def _train_once(
    folder: pathlib.Path, *flags: str
) -> subprocess.CompletedProcess[str]:
    """Trains, or returns how that ended in another process of the session."""
    path = folder.with_suffix(".json")
    if path.exists():
        return subprocess.CompletedProcess(**json.loads(path.read_text()))
    folder.mkdir()
    result = app.run("train", *flags, cwd=folder)
    path.write_text(json.dumps(vars(result)))
    return result
