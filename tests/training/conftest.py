"""Fixtures of the training tests."""

import contextlib
import dataclasses
import io
import pathlib
from typing import Any

import numpy as np
import pytest

from keras_vae.data import DataConfig, ImageDataset, load
from keras_vae.training import ExperimentConfig, TrainResult, train
from tests.training import experiments


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """A run that nothing interrupted.

    Attributes:
        path: The run folder.
        experiment: What ran.
        result: What `train` returned.
        output: What it printed.
        values: Its last checkpoint, see `experiments.checkpoint_values`.
    """

    path: pathlib.Path
    experiment: ExperimentConfig
    result: TrainResult
    output: str
    values: dict[str, np.ndarray]


@pytest.fixture(autouse=True)
def no_pictures():
    """Spares the runs of single tests the pictures of TensorBoard."""
    with experiments.without_pictures():
        yield


@pytest.fixture(scope="session")
def dataset() -> ImageDataset:
    """Returns the images that most of the tests train on."""
    return experiments.make_dataset()


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: Any, dataset: ImageDataset) -> FinishedRun:
    """Trains the standard experiment once; read its folder, do not write."""
    path = tmp_path_factory.mktemp("finished") / "run"
    # A checkpoint after each execution: that must not change the result.
    experiment = experiments.make_experiment(
        {"checkpoint_seconds": 0.0, "keep_checkpoints": 2}
    )
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        result = train(experiment, path, dataset=dataset)
    return FinishedRun(
        path,
        experiment,
        result,
        stream.getvalue(),
        experiments.checkpoint_values(path),
    )


@pytest.fixture(scope="session")
def digits_dir(tmp_path_factory: Any) -> pathlib.Path:
    """Returns a TFDS `data_dir` with `mnist_5k`, prepared once."""
    data_dir = tmp_path_factory.mktemp("digits")
    load(DataConfig("mnist_5k", data_dir=str(data_dir)))
    return data_dir
