"""Local files: their paths, JSON, and files that appear whole or not at all."""

import contextlib
import errno
import json
import os
import pathlib
import re
from collections.abc import Callable
from typing import Any

from keras_vae.errors import UserError, printable
from keras_vae.io import partials

__all__ = ["check_local", "read_json", "replace", "write_text"]

# `gs://bucket`, and `gs:/bucket`, which pathlib makes of it. One letter is a
# drive of Windows.
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def check_local(name: str, path: str | os.PathLike[str]) -> pathlib.Path:
    """Returns `path`, if it is one of this machine's file system.

    Args:
        name: The flag or argument, for the message.
        path: What was given.

    Raises:
        UserError: If it names a remote file system, such as `gs://bucket`:
            pathlib would make a local folder of that name; or if no file can
            have such a name, or it is empty, as an unset variable of a shell.
    """
    if not os.fspath(path):
        raise UserError(
            f"{name} must not be empty: name a path, or leave it out. "
            f"Received: {name}="
        )
    if _REMOTE.match(os.fspath(path)):
        raise UserError(
            f"{name} must be a local path: remote file systems are not "
            "supported. Mount the storage, or copy what is needed. "
            f"Received: {name}={os.fspath(path)}"
        )
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UserError(
                f"{name} must be a shorter path: it, or a name in it, is too "
                f"long for the file system. Received: {name}={printable(path)}"
            ) from error
    except ValueError as error:
        raise UserError(
            f"{name} must be a path that files can have ({error}). "
            f"Received: {name}={printable(path)}"
        ) from error
    return pathlib.Path(path)


def read_json(path: pathlib.Path) -> Any:
    """Reads a JSON file.

    Raises:
        UserError: If it cannot be read, or is not JSON in UTF-8, or a name
            comes twice in an object.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text, object_pairs_hook=_without_repetition)
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"The file cannot be read as JSON: {reason}. Received: {path}"
        ) from error


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} comes twice")
    return content


def replace(path: pathlib.Path, write: Callable[[pathlib.Path], None]) -> None:
    """Calls `write` on a path beside `path`, then renames: all or nothing.

    Several processes may do so at a time; the last one's file stays. What one
    that was killed left in the folder goes.

    Args:
        path: The file; its folder exists.
        write: Writes the file whose path it is given, of the same suffix.

    Raises:
        OSError: If it cannot be written; its `filename` says what.
    """
    # A name of its own, so that nobody else writes to it meanwhile.
    partial = partials.partial_path(path)
    try:
        partials.remove_abandoned(path.parent)
        partial.touch()
        with partials.locked(partial):
            write(partial)
            partial.replace(path)
    except OSError as error:
        error.filename = error.filename or os.fspath(path)
        raise
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def write_text(path: pathlib.Path, text: str) -> None:
    """Replaces a file by a text in UTF-8, as `replace` does."""
    replace(path, lambda partial: _write(partial, text))


def _write(path: pathlib.Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
