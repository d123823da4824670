"""What a machine fails at: disks that are full, memory that is too small.

Such a failure is no mistake of the code, so it becomes an error for people.
Nothing here imports TensorFlow; its errors are known where it is loaded.
"""

import contextlib
import errno
import os
import pathlib
import re
import sys
from collections.abc import Iterator

from keras_vae.errors import OutOfMemoryError, StorageError, UserError

__all__ = [
    "failure_of_machine",
    "not_writable",
    "storage_error",
    "translated",
    "writing",
]

# No choice of a path leads to one of these: the storage itself fails.
_STORAGE = frozenset(
    {
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENODEV,
        errno.ENOSPC,
        errno.EROFS,
        errno.ESTALE,
    }
)
_FULL = frozenset({errno.EDQUOT, errno.EFBIG, errno.ENOSPC})
# One that was there when the work began may also be taken away.
_TAKEN_AWAY = frozenset(
    {errno.EACCES, errno.EISDIR, errno.ENOENT, errno.ENOTDIR, errno.EPERM}
)
# In the messages of TensorFlow's readers of record files.
_DAMAGED_RECORDS = re.compile(
    r"(?:truncated|corrupted) record at \d+|expected to contain \d+ elements"
)
# An error for people, raised within TensorFlow's graph by a reader of images.
_FOR_PEOPLE = re.compile(r"UserError: (.*?)\n*Traceback \(most rec", re.S)
# In the messages of TensorFlow's file systems, after the path.
_REASONS = {os.strerror(n): n for n in _STORAGE | _TAKEN_AWAY}


def not_writable(
    message: str, received: str, error: OSError, report: str = ""
) -> UserError:
    """Returns the error of a path that cannot be written.

    Args:
        message: What cannot be written, and what to do about a bad choice.
        received: The path, as it was given.
        error: What the system said.
        report: Figures that are lost otherwise.

    Returns:
        A `StorageError` where the storage fails, whatever the path, else a
        `UserError`.
    """
    found: UserError
    if error.errno in _STORAGE:
        found = storage_error(received, error.errno, _text(error))
    else:
        found = UserError(f"{message} Received: {received} ({_text(error)})")
    found.report = report
    return found


def storage_error(where: str, number: int | None, reason: str) -> StorageError:
    """Returns the error of files that cannot be written or read under way."""
    if number in _FULL:
        advice = "Make room there"
    elif number in (errno.EROFS, errno.EACCES, errno.EPERM):
        advice = "Make it writable"
    elif number in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE):
        advice = "It was removed or moved while it was in use: put it back"
    else:
        advice = "Look after the disk"
    return StorageError(
        f"Files cannot be written or read: {reason}.\n"
        f"{advice}, then repeat the command. Received: {where}"
    )


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Raises StorageError where the body fails to write below `path`.

    Args:
        path: What is written, for the message.
    """
    try:
        yield
    except _errors_of_files() as error:
        number, reason = _failed_file(error)
        if not reason:
            raise
        raise storage_error(os.fspath(path), number, reason) from error


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raises the error for people where the machine fails in the body."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        failure = failure_of_machine(error)
        if failure is None:
            raise
        raise failure from error


def failure_of_machine(error: BaseException) -> UserError | None:
    """Returns the error for people, or None if it is no failure of a machine.

    Args:
        error: What an operation raised.
    """
    if isinstance(error, MemoryError) or _is_out_of_memory(error):
        return OutOfMemoryError(
            f"There is not enough memory: {_request(error)}.\n"
            "Use smaller batches or a smaller model, or end what else runs; "
            "then repeat the command. Received: out of memory"
        )
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return UserError(
            "A path is too long for the file system: choose a shorter one. "
            f"Received: {error.filename or 'a path'}"
        )
    if isinstance(error, OSError) and not _is_of_storage(error):
        return None
    if not isinstance(error, _errors_of_files()):
        return None
    damage = _damaged_images(error)
    if damage is not None:
        return damage
    number, reason = _failed_file(error)
    if not reason:
        return None
    where = getattr(error, "filename", None) or _path_of(error)
    return storage_error(str(where or "the output"), number, reason)


def _is_of_storage(error: OSError) -> bool:
    # What another process may not be told, say, is no file.
    is_closed = isinstance(error, PermissionError) and bool(error.filename)
    return is_closed or error.errno in _STORAGE


def _damaged_images(error: BaseException) -> UserError | None:
    """Returns the error of images that were changed while they were read."""
    message = str(error)
    found = _FOR_PEOPLE.search(message)
    if found:
        return UserError(found[1].strip())
    found = _DAMAGED_RECORDS.search(message)
    if not found:
        return None
    return StorageError(
        "Files cannot be written or read: a record file of the images was cut "
        f"or changed while it was read ({found[0]}).\n"
        "Repeat the command, which finds out the file and says what to do. "
        "Received: the record files of the dataset"
    )


def _errors_of_files() -> tuple[type[Exception], ...]:
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return (OSError,)
    return (OSError, tensorflow.errors.OpError)


def _failed_file(error: BaseException) -> tuple[int | None, str]:
    """Returns the error number and what it says, ("" for no failed file)."""
    if isinstance(error, OSError):
        return error.errno, _text(error)
    message = str(error)
    for reason, number in _REASONS.items():
        if f"; {reason}" in message:
            return number, reason
    if "is not a directory" in message:
        return errno.ENOTDIR, os.strerror(errno.ENOTDIR)
    return None, ""


def _is_out_of_memory(error: BaseException) -> bool:
    tensorflow = sys.modules.get("tensorflow")
    return (
        tensorflow is not None
        and isinstance(error, tensorflow.errors.ResourceExhaustedError)
        and not _failed_file(error)[1]
    )


def _request(error: BaseException) -> str:
    """Returns what was asked for, as NumPy and TensorFlow say it."""
    found = re.search(r"(Unable to|OOM|[Oo]ut of memory)[^\n]*", str(error))
    return found[0].split(" on /job:")[0][:200] if found else "none is left"


def _path_of(error: BaseException) -> pathlib.Path | None:
    """Returns the path in a message of TensorFlow's file systems."""
    found = re.search(r"(/[^;\n]*); ", str(error))
    return pathlib.Path(found[1]) if found else None


def _text(error: OSError) -> str:
    return error.strerror or str(error)
