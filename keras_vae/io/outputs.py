"""Files and folders that appear whole or not at all."""

import dataclasses
import os
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

from keras_vae.errors import UserError
from keras_vae.io import local_files, partials
from keras_vae.io.failures import not_writable

__all__ = [
    "Written",
    "check_free_folder",
    "check_suffix",
    "replace_file",
    "write_folder",
]


@dataclasses.dataclass(frozen=True)
class Written:
    """What a command wrote, and what it has to say.

    Attributes:
        paths: The files and folders.
        report: Lines for people; empty where the files say it all.
        figures: The same as plain data, by name.
    """

    paths: tuple[pathlib.Path, ...]
    report: str = ""
    figures: dict[str, Any] = dataclasses.field(default_factory=dict)


def check_suffix(
    output: str | os.PathLike[str], suffixes: tuple[str, ...], what: str
) -> pathlib.Path:
    """Returns `output` as a path, if it ends in one of the suffixes.

    Args:
        output: The file to write.
        suffixes: As `pathlib.Path.suffix`; `""` is a folder.
        what: Who writes it, for the message.

    Raises:
        UserError: If it has another suffix, or is no local path.
    """
    path = local_files.check_local("output", output)
    if path.suffix.lower() not in suffixes or not path.name:
        names = " or ".join(
            f"a {suffix} file" if suffix else "a folder (no suffix)"
            for suffix in suffixes
        )
        raise UserError(f"{what} writes {names}. Received: --output={output}")
    return path


def replace_file(
    path: pathlib.Path, write: Callable[[pathlib.Path], None]
) -> None:
    """Calls `write` on a path beside `path`, then renames: all or nothing.

    Args:
        path: The file; its folder is made if it is missing.
        write: Writes the file whose path it is given, of the same suffix.

    Raises:
        UserError: If it cannot be written.
        StorageError: If the disk is full, or fails.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        local_files.replace(path, write)
    except OSError as error:
        raise _not_writable(path, error) from error


def write_folder(
    path: pathlib.Path,
    write: Callable[[pathlib.Path], None],
    report: str = "",
) -> None:
    """Calls `write` on a new folder beside `path`, then renames it.

    Args:
        path: The folder. It may exist if it is empty.
        write: Fills the folder whose path it is given.
        report: Figures that took long: an error that they cannot be written
            has them.

    Raises:
        UserError: If it holds something, or cannot be written.
        StorageError: If the disk is full, or fails.
    """
    check_free_folder(path)
    # A name of its own, so that nobody else writes to it meanwhile.
    partial = partials.partial_path(path)
    try:
        partial.mkdir(parents=True)
        partials.remove_abandoned(partial.parent)
        with partials.locked(partial):
            write(partial)
            partial.replace(path)
    except OSError as error:
        raise _not_writable(path, error, report) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_free_folder(path: pathlib.Path) -> None:
    """Raises UserError if `path` is a file or a folder with something in it."""
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists():
        raise UserError(
            "The output folder exists and is not empty: choose another, or "
            f"remove it. Received: --output={path}"
        )


def _not_writable(
    path: pathlib.Path, error: OSError, report: str = ""
) -> UserError:
    return not_writable(
        "The output cannot be written.", f"--output={path}", error, report
    )
