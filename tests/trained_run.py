"""One small run of `apps/train.py`, shared by the tests that need one.

A folder's conftest.py makes it a fixture:

    @pytest.fixture(scope="session")
    def trained_run(tmp_path_factory):
        return trained_run.make(tmp_path_factory)

`make_conditional` is the same for a VAE that knows the ten classes.
"""

import dataclasses
import functools
import pathlib
import subprocess

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
    return _make(factory.getbasetemp(), "trained_run", "--epochs=6")


def make_conditional(factory: pytest.TempPathFactory) -> TrainedRun:
    """Trains a conditional VAE for an epoch, once for each test session."""
    flags = ("--config.num_classes=auto", "--epochs=1")
    return _make(factory.getbasetemp(), "conditional_run", *flags)


@functools.cache
def _make(base: pathlib.Path, name: str, *more: str) -> TrainedRun:
    folder = base / name
    folder.mkdir()
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
    result = app.run(
        "train",
        *flags,
        f"--workdir={workdir}",
        f"--export_dir={export_dir}",
        cwd=folder,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return TrainedRun(data_dir, workdir, export_dir, result, flags)
