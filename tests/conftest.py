"""Fixtures that all the tests share."""

import pathlib

import pytest

from keras_vae import environment, notes
from tests import logical_devices, testdata

environment.prepare()
logical_devices.configure()


@pytest.fixture(autouse=True)
def notes_are_said_anew(monkeypatch):
    """Has each test say its own notes, as a process of its own would."""
    monkeypatch.setattr(notes, "_said", set())


@pytest.fixture(scope="session")
def mnist_data_dir(tmp_path_factory) -> pathlib.Path:
    """Returns a TFDS `data_dir` with MNIST, prepared once for all tests."""
    from keras_vae.data.config import DataConfig
    from keras_vae.data.tfds_builder import prepared_builder

    archives = testdata.path("mnist")
    data_dir = tmp_path_factory.mktemp("tfds")
    prepared_builder(
        DataConfig("mnist", data_dir=str(data_dir), manual_dir=str(archives))
    )
    return data_dir
