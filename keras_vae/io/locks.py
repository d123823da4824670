"""Locks: one run in a folder at a time, one writer of a file."""

import contextlib
import datetime
import json
import os
import pathlib
import platform
from collections.abc import Iterator

import filelock

from keras_vae.errors import StorageError, UserError

__all__ = ["hold", "hold_briefly"]

_NAME = ".lock"
_PATIENCE = 60.0  # Seconds.


@contextlib.contextmanager
def hold(folder: pathlib.Path) -> Iterator[None]:
    """Holds the run folder, which is made if it is missing.

    The system's lock ends with the process that holds it. Who holds it may do
    so again within. On leaving, what was made for it and holds nothing goes.

    Args:
        folder: The run folder.

    Raises:
        UserError: If another process holds it; says which, and since when.
        OSError: If the folder cannot be written.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / _NAME, is_singleton=True)
    try:
        with _acquired(lock, folder):
            yield
    finally:
        if not lock.is_locked:
            for path in made:
                with contextlib.suppress(OSError):
                    path.rmdir()


@contextlib.contextmanager
def _acquired(lock: filelock.BaseFileLock, folder: pathlib.Path) -> Iterator:
    within = lock.is_locked
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise UserError(
            f"The run folder is in use by {_holder(folder)}.\n"
            "Wait until it ends, or choose another --workdir. "
            f"Received: --workdir={folder}"
        ) from error
    try:
        if not within:
            _say_who(folder)
        yield
    finally:
        if not within:
            # While it is held: who waits finds that it is gone, and retries.
            with contextlib.suppress(OSError):
                (folder / _NAME).unlink()
        lock.release()


def _say_who(folder: pathlib.Path) -> None:
    now = datetime.datetime.now().astimezone()
    who = {
        "pid": os.getpid(),
        "host": platform.node(),
        "since": now.isoformat(" ", "seconds"),
    }
    (folder / _NAME).write_text(json.dumps(who), encoding="utf-8")


def _holder(folder: pathlib.Path) -> str:
    try:
        who = json.loads((folder / _NAME).read_text(encoding="utf-8"))
        return "process {pid} on {host} since {since}".format(**who)
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"  # It has not written yet who it is.


@contextlib.contextmanager
def hold_briefly(path: pathlib.Path) -> Iterator[None]:
    """Holds a file while it is read and written anew; others wait.

    Args:
        path: The file; its folder exists.

    Raises:
        StorageError: If others hold it for a minute.
        OSError: If the folder cannot be written.
    """
    # The lock would make the folder anew.
    path.parent.stat()
    name = path.with_name(f".{path.name}.lock")
    lock = filelock.FileLock(name, timeout=_PATIENCE, poll_interval=0.01)
    try:
        with lock:
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    name.unlink()
    except filelock.Timeout as error:
        raise StorageError(
            f"The file is held by another process for {_PATIENCE:.0f} s.\n"
            f"End it, then repeat the command. Received: {path}"
        ) from error
