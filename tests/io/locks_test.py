"""Tests that one run is in a folder at a time, and that updates are kept."""

import json
import os
import signal
import subprocess
import sys

import pytest

from keras_vae.errors import StorageError, UserError
from keras_vae.io import locks

_HOLD = """
import pathlib, sys, time
from keras_vae.io import locks
with locks.hold(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds `tmp_path / "run"`."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_second_run_is_told_who_holds_the_folder(tmp_path, holder):
    with (
        pytest.raises(UserError) as error,
        locks.hold(tmp_path / "run"),
    ):
        pytest.fail("two hold it")
    message = str(error.value)
    assert f"in use by process {holder.pid} on " in message
    assert " since 20" in message
    assert f"Received: --workdir={tmp_path}/run" in message
    assert error.value.exit_code == 2
    assert holder.poll() is None


def test_dead_process_holds_nothing(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "run" / ".lock").exists()
    with locks.hold(tmp_path / "run"):
        who = json.loads((tmp_path / "run" / ".lock").read_text())
        assert who["pid"] == os.getpid()


def test_lock_leaves_nothing(tmp_path):
    with locks.hold(tmp_path / "a" / "run"):
        assert (tmp_path / "a" / "run").is_dir()
    assert list(tmp_path.iterdir()) == []


def test_lock_leaves_what_was_there(tmp_path):
    with locks.hold(tmp_path / "run"):
        (tmp_path / "run" / "config.json").write_text("{}")
    names = [path.name for path in (tmp_path / "run").iterdir()]
    assert names == ["config.json"]


def test_holder_may_hold_again(tmp_path):
    folder = tmp_path / "run"
    with locks.hold(folder):
        with locks.hold(tmp_path / "run"):
            pass
        # It is held still.
        command = [sys.executable, "-c", _HOLD, str(folder)]
        second = subprocess.run(command, capture_output=True, text=True)
        assert f"in use by process {os.getpid()}" in second.stderr
    assert not folder.exists()


def test_folder_may_go_meanwhile(tmp_path):
    folder = tmp_path / "run"
    with locks.hold(folder):
        (folder / ".lock").unlink()
        folder.rmdir()
    assert not folder.exists()


_COUNT = """
import pathlib, sys
from keras_vae.io import local_files, locks
path = pathlib.Path(sys.argv[1])
for _ in range(25):
    with locks.hold_briefly(path):
        number = int(path.read_text()) + 1
        local_files.write_text(path, str(number))
"""


def test_no_update_of_a_file_is_lost(tmp_path):
    path = tmp_path / "number"
    path.write_text("0")
    processes = [
        subprocess.Popen([sys.executable, "-c", _COUNT, str(path)])
        for _ in range(6)
    ]
    assert [process.wait() for process in processes] == [0] * 6
    assert path.read_text() == "150"
    assert list(tmp_path.iterdir()) == [path]


def test_an_update_does_not_wait_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_PATIENCE", 0.05)
    path = tmp_path / "results.json"
    with (
        locks.hold_briefly(path),
        pytest.raises(StorageError, match="held by another process"),
        locks.hold_briefly(path),
    ):
        pytest.fail("two hold it")


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
