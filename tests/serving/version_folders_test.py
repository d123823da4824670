"""Tests of version folders: numbers, old ones, leftovers, other exporters."""

import errno
import fcntl
import os
import pathlib
import time

import pytest

from keras_vae.errors import StorageError, UserError
from keras_vae.serving import version_folders
from keras_vae.serving.version_folders import (
    add_version,
    check_writable,
    next_version,
    versions,
)
from tests.full_disk import full_disk

_LONG_AGO = 3600.0


def _write(folder: pathlib.Path) -> None:
    (folder / "saved_model.pb").write_bytes(b"whole")
    (folder / "variables").mkdir()


def _names(base: pathlib.Path) -> set[str]:
    return {path.name for path in base.iterdir()}


def _age(path: pathlib.Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_number_of_a_file_is_passed_over(tmp_path):
    # A server takes its name for a version, and serves the highest.
    (tmp_path / "12").touch()
    (tmp_path / "3").mkdir()
    assert versions(tmp_path) == [3]
    assert next_version(tmp_path) == 13


def test_old_versions_go(tmp_path):
    for _ in range(9):
        add_version(tmp_path, _write)
    assert versions(tmp_path) == list(range(1, 10))
    assert add_version(tmp_path, _write, 3).name == "10"
    # By their numbers: as texts, "10" comes before "8".
    assert _names(tmp_path) == {"8", "9", "10"}
    add_version(tmp_path, _write, 1)
    assert _names(tmp_path) == {"11"}


def test_only_versions_are_removed(tmp_path):
    for name in ("notes", "-3", "1.5", "4"):
        (tmp_path / name).mkdir()
    (tmp_path / "4" / "thesis.txt").touch()
    (tmp_path / "5").touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    _write(elsewhere)
    (tmp_path / "6").symlink_to(elsewhere)
    assert add_version(tmp_path, _write, 1).name == "7"
    # The link went, and what it points at did not.
    assert _names(tmp_path) == {
        *("notes", "-3", "1.5", "4", "5", "elsewhere", "7")
    }
    assert (elsewhere / "saved_model.pb").exists()


def test_new_version_stays_whatever_others_do(tmp_path, monkeypatch):
    publish = version_folders._publish

    def publish_two(partial, base):
        target = publish(partial, base)
        # Another exporter is faster than the removal.
        (base / "2").mkdir()
        _write(base / "2")
        return target

    monkeypatch.setattr(version_folders, "_publish", publish_two)
    assert add_version(tmp_path, _write, 1).name == "1"
    assert _names(tmp_path) == {"1", "2"}


def test_number_that_another_exporter_took(tmp_path, monkeypatch):
    numbers = iter([1, 1, 2])
    monkeypatch.setattr(
        version_folders, "next_version", lambda base: next(numbers)
    )
    add_version(tmp_path, _write)
    assert add_version(tmp_path, _write).name == "2"
    assert _names(tmp_path) == {"1", "2"}


def test_version_is_hidden_before_it_is_deleted(tmp_path, monkeypatch):
    add_version(tmp_path, _write)
    seen = []
    rmtree = version_folders.shutil.rmtree

    def remove(path, **options):
        seen.append((pathlib.Path(path).name, versions(tmp_path)))
        rmtree(path, **options)

    monkeypatch.setattr(version_folders.shutil, "rmtree", remove)
    add_version(tmp_path, _write, 1)
    (removed,) = (entry for entry in seen if entry[0].startswith(".removed"))
    assert removed[0].startswith(".removed-1-")
    assert removed[1] == [2]


def test_old_version_that_cannot_be_removed_is_named(tmp_path, monkeypatch):
    add_version(tmp_path, _write)

    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(version_folders, "_remove_version", refuse)
    message = "2 is exported, but.*cannot be removed.*1 .Permission denied"
    with pytest.raises(UserError, match=message):
        add_version(tmp_path, _write, 1)
    assert _names(tmp_path) == {"1", "2"}


def test_leftovers_of_killed_exporters_go(tmp_path):
    for name in (".partial-old", ".partial-new", ".removed-1-x", ".hidden"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").touch()
    _age(tmp_path / ".partial-old", _LONG_AGO)
    add_version(tmp_path, _write)
    # What was made just now may belong to an exporter that begins.
    assert _names(tmp_path) == {".hidden", ".partial-new", "1"}


def test_folder_of_an_exporter_that_runs_stays(tmp_path):
    (tmp_path / ".partial-slow").mkdir()
    _age(tmp_path / ".partial-slow", 30 * 24 * _LONG_AGO)
    descriptor = os.open(tmp_path / ".partial-slow", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        add_version(tmp_path, _write)
        assert _names(tmp_path) == {".partial-slow", "1"}
    finally:
        os.close(descriptor)
    add_version(tmp_path, _write)
    assert _names(tmp_path) == {"1", "2"}


@pytest.mark.parametrize(("age", "stays"), [(2, True), (25, False)])
def test_without_locks_leftovers_go_after_a_day(
    age, stays, tmp_path, monkeypatch
):
    def unsupported(descriptor, operation):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    (tmp_path / ".partial-x").mkdir()
    _age(tmp_path / ".partial-x", age * _LONG_AGO)
    add_version(tmp_path, _write)
    assert (".partial-x" in _names(tmp_path)) == stays


def test_all_is_on_the_disk_before_it_is_seen(tmp_path, monkeypatch):
    synced = []
    fsync = os.fsync

    def record(descriptor):
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        synced.append((pathlib.Path(path).name, versions(tmp_path)))
        fsync(descriptor)

    monkeypatch.setattr(version_folders.os, "fsync", record)
    add_version(tmp_path, _write)
    *before, after = synced
    assert {name for name, _ in before} > {"saved_model.pb", "variables"}
    assert all(seen == [] for _, seen in before)
    assert after == (tmp_path.name, [1])


def test_export_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    message = "cannot be written.*Received: --export_dir=.*Not a directory"
    with pytest.raises(UserError, match=message):
        check_writable(tmp_path / "file" / "model")


def test_check_of_the_folder_leaves_no_trace(tmp_path):
    (tmp_path / "kept").mkdir()
    check_writable(tmp_path / "kept")
    check_writable(tmp_path / "new" / "model")
    assert _names(tmp_path) == {"kept"}


@pytest.mark.parametrize(
    "name", ["config.json", "cat.png", "cats/a.png", "3/a.png"]
)
def test_folder_of_something_else_gets_no_version(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    message = rf"no version of a model.*{path.relative_to(tmp_path).parts[0]}"
    with pytest.raises(UserError, match=message):
        check_writable(tmp_path)
    assert _names(tmp_path) == {name.split("/")[0]}
    # But beside a version somebody may keep what he likes.
    add_version(tmp_path, _write)
    check_writable(tmp_path)


def test_empty_name_is_no_folder():
    with pytest.raises(UserError, match="export_dir must not be empty"):
        check_writable("")


def test_full_disk_leaves_no_version(tmp_path):
    with full_disk(), pytest.raises(StorageError, match="File too large"):
        add_version(
            tmp_path, lambda folder: (folder / "x").write_bytes(bytes(10_000))
        )
    assert list(tmp_path.iterdir()) == []


def test_remote_folder_is_refused():
    with pytest.raises(UserError, match=r"export_dir must be a local path"):
        check_writable("gs://bucket/model")


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
