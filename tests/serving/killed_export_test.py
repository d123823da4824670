"""An exporter is killed at each of its steps; no server sees a broken version.

See `killed_exporter.py`.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

import pytest

from keras_vae.config import (
    AutoencoderConfig,
    DenseConfig,
    TrainingConfig,
)
from keras_vae.data import DataConfig
from keras_vae.models import build_model
from keras_vae.serving import export, versions
from keras_vae.training import ExperimentConfig, TrainedModel
from tests.apps import app
from tests.serving import killed_exporter
from tests.serving.protocol.server import running_server

pytestmark = pytest.mark.slow

_KEEP = 2
_TIMEOUT = 60.0


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> pathlib.Path:
    """Returns a version folder of a tiny model, which is soon loaded."""
    config = AutoencoderConfig(
        architecture=DenseConfig((4,)),
        latent_dim=2,
    )
    experiment = ExperimentConfig(
        DataConfig("mnist_5k"), config, TrainingConfig(epochs=1)
    )
    model = build_model(config, (4, 5, 1), likelihood="bernoulli")
    return export(
        TrainedModel(model, experiment, experiment.prepare()),
        tmp_path_factory.mktemp("export"),
    )


def _contents(folder: pathlib.Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): (
            path.read_bytes() if path.is_file() else None
        )
        for path in folder.rglob("*")
    }


class _Watcher(threading.Thread):
    """Looks at the folder all the time, as a server that is in a hurry.

    Attributes:
        broken: What it saw of versions that were not whole.
        looks: How often it looked.
    """

    def __init__(self, base: pathlib.Path, expected: dict[str, bytes | None]):
        super().__init__(daemon=True)
        self._base, self._expected = base, expected
        self.broken: list[str] = []
        self.looks = 0
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            self.look()
            self.looks += 1
            time.sleep(0.02)

    def look(self) -> None:
        for name in os.listdir(self._base):
            if not name.isdecimal():
                continue
            try:
                found = _contents(self._base / name)
            except OSError:
                found = {}
            # A version may go as a whole while it is read.
            if found != self._expected and (self._base / name).exists():
                self.broken.append(f"{name}: {sorted(found)}")


def _wait_for(server, base: pathlib.Path, version: int) -> None:
    """Waits until the newest version answers.

    A load may only have failed where its version was removed meanwhile: on a
    slow machine the exporter has published two more before it ends.
    """
    end = time.monotonic() + _TIMEOUT
    model = server.core.models[server.model_name]
    while time.monotonic() < end:
        states = model.states()
        failed = {
            number: state.error
            for number, state in states.items()
            if state.error is not None
        }
        assert not failed.keys() & set(versions(base)), failed
        if version in states and states[version].state == "AVAILABLE":
            return
        time.sleep(0.005)
    raise AssertionError(f"version {version} is not served: {states}")


def test_no_server_sees_a_broken_version(exported, tmp_path):
    base = tmp_path / "model"
    for version in (1, 2):
        shutil.copytree(exported, base / str(version))
    watcher = _Watcher(base, _contents(exported))
    watcher.start()
    arguments = [str(exported), str(base), str(_KEEP)]
    points: list[str] = []
    operations: set[str] = set()
    with (
        running_server(base, poll_seconds=0.05) as server,
        subprocess.Popen(
            [sys.executable, "-m", killed_exporter.__name__, *arguments],
            cwd=app.ROOT,
            env={**app.environment(), "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        while points[-1:] != [killed_exporter.SURVIVED]:
            process.stdin.write("\n")
            process.stdin.flush()
            points.append(process.stdout.readline().strip())
            assert points[-1], "the exporter failed"
            watcher.look()
            assert watcher.broken == [], points[-1]
            # What is whole is loaded: once for each kind of operation will do.
            operation = points[-1].partition(" ")[0]
            if operation not in operations:
                _wait_for(server, base, versions(base)[-1])
            operations.add(operation)
        process.stdin.close()
    watcher.ended.set()
    watcher.join()
    assert watcher.broken == []
    assert watcher.looks > len(points)
    # It was killed in all that it does: writing, publishing, removing.
    assert {"os.mkdir", "test.write", "os.rename", "os.rmdir"} <= operations
    assert any(".removed-" in point for point in points)
    assert len(versions(base)) == _KEEP


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
