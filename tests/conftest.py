"""Fixtures that all the tests share."""

import gc
import pathlib
from collections.abc import Iterator

import pytest

from keras_vae import notes
from keras_vae.cli import environment
from tests import logical_devices, testdata

environment.prepare()
logical_devices.configure()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--smoke",
        action="store_true",
        help="Run the first test of each file that is not marked as slow.",
    )


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    if not config.getoption("--smoke"):
        return
    quick = [item for item in items if not item.get_closest_marker("slow")]
    first: dict[pathlib.Path, pytest.Item] = {}
    for item in quick:
        first.setdefault(item.path, item)
    items[:] = first.values()


def pytest_collection_finish() -> None:
    """Spares the collections of garbage what was imported, and makes fewer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(autouse=True)
def notes_are_said_anew(monkeypatch):
    """Has each test say its own notes, as a process of its own would."""
    monkeypatch.setattr(notes, "_said", set())


@pytest.fixture(scope="module", autouse=True)
def short_collections() -> Iterator[None]:
    """Spares each collection of garbage what earlier modules left.

    TensorFlow keeps its graphs: after some thousand tests a collection of all
    objects takes seconds.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def mnist_data_dir(tmp_path_factory) -> pathlib.Path:
    """Returns a TFDS `data_dir` with MNIST, prepared once for all tests."""
    from keras_vae.config.data_config import DataConfig
    from keras_vae.data.tfds_builder import prepared_builder

    archives = testdata.path("mnist")
    data_dir = tmp_path_factory.mktemp("tfds")
    prepared_builder(
        DataConfig("mnist", data_dir=str(data_dir), manual_dir=str(archives))
    )
    return data_dir
