"""Tests of what killed writers leave, and of who removes it."""

import os
import subprocess
import sys
import time

import pytest

from keras_vae.io import local_files, outputs, partials

_FILE = ".partial-0123abcd-scores.csv"
_FOLDER = ".partial-deadbeef-samples"
_SPOOL = ".partial-a_z09xyz"


def _leave(folder, hours=1.0):
    """Makes what killed writers leave, of an age."""
    (folder / _FILE).write_text("half")
    for name in (_FOLDER, _SPOOL):
        (folder / name).mkdir()
        (folder / name / "0.png").write_text("half")
    for name in (_FILE, _FOLDER, _SPOOL):
        _age(folder / name, hours)


def _age(path, hours):
    then = time.time() - 3600 * hours
    os.utime(path, (then, then))


def _names(folder):
    return {path.name for path in folder.iterdir()}


def _write_file(folder):
    local_files.write_text(folder / "new", "")


def _write_folder(folder):
    outputs.write_folder(folder / "new", lambda new: (new / "a").touch())


@pytest.mark.parametrize("write", [_write_file, _write_folder])
def test_next_writer_removes_what_a_killed_one_left(write, tmp_path):
    _leave(tmp_path)
    kept = {".partial-1", ".partial-notes.txt", "0123abcd-scores.csv", ".x"}
    for name in kept:
        (tmp_path / name).touch()
        _age(tmp_path / name, 100)
    write(tmp_path)
    assert _names(tmp_path) == {"new", *kept}


def test_what_was_made_just_now_stays(tmp_path):
    _leave(tmp_path, hours=0.01)
    _write_file(tmp_path)
    assert _names(tmp_path) == {"new", _FILE, _FOLDER, _SPOOL}


_WRITER = """
import pathlib, sys
from keras_vae.io import local_files, outputs

def write(path):
    if path.is_dir():
        path = path / "0.png"
    path.write_text("half")
    print("written", flush=True)
    sys.stdin.read()

kind, path = sys.argv[1:]
{"file": local_files.replace, "folder": outputs.write_folder}[kind](
    pathlib.Path(path), write
)
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_another_process_writes_stays_until_it_is_killed(kind, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, kind, str(tmp_path / "slow")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "written\n"
        (partial,) = tmp_path.iterdir()
        _age(partial, 100)
        _write_file(tmp_path)
        assert _names(tmp_path) == {"new", partial.name}
        other.kill()
        other.wait()
    _write_file(tmp_path)
    assert _names(tmp_path) == {"new"}


def test_link_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    _age(tmp_path / "mine", 100)
    (tmp_path / _FOLDER).symlink_to(tmp_path / "mine")
    partials.remove_abandoned(tmp_path)
    assert _names(tmp_path) == {"mine", _FOLDER}


@pytest.mark.parametrize(
    ("seconds", "abandoned"), [(30, False), (3600, False), (90_000, True)]
)
def test_without_locks_age_alone_decides(
    seconds, abandoned, tmp_path, monkeypatch
):
    def no_locks(descriptor, how):
        raise OSError("no locks here")

    monkeypatch.setattr("fcntl.flock", no_locks)
    path = tmp_path / _FILE
    path.touch()
    then = time.time() - seconds
    os.utime(path, (then, then))
    assert partials.is_abandoned(path) is abandoned


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
