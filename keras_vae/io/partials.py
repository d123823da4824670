"""What is written under another name first, and what of it a kill leaves.

A writer locks what it writes, and the lock ends with its process. So what
nobody has locked, and was not made just now, nobody will finish.
"""

import contextlib
import fcntl
import os
import pathlib
import re
import secrets
import shutil
import time
from collections.abc import Iterator

__all__ = [
    "PREFIX",
    "is_abandoned",
    "locked",
    "partial_path",
    "remove_abandoned",
]

PREFIX = ".partial-"
# Ours and those of `tempfile`, but no name that a person would choose.
_NAME = re.compile(re.escape(PREFIX) + r"[0-9a-z_]{8}(-.+)?", re.S)
# Of what no living process has locked. The first covers the moment between
# making it and locking it; the second is for file systems without locks.
_GRACE_SECONDS = 60
_ABANDONED_SECONDS = 24 * 3600


def partial_path(path: pathlib.Path) -> pathlib.Path:
    """Returns a name beside `path`, of the same suffix, that is nobody's."""
    return path.with_name(f"{PREFIX}{secrets.token_hex(4)}-{path.name}")


@contextlib.contextmanager
def locked(path: pathlib.Path, wait: bool = False) -> Iterator[bool | None]:
    """Tries to lock a file or folder; the lock ends with the process.

    Args:
        path: The file or folder.
        wait: Whether to wait until another process lets it go.

    Yields:
        Whether it is locked now; False if another process holds it, and None
        if the file system has no locks.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        held: bool | None = True
        try:
            fcntl.flock(
                descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)
            )
        except BlockingIOError:
            held = False
        except OSError:
            held = None
        yield held
    finally:
        os.close(descriptor)


def is_abandoned(path: pathlib.Path) -> bool:
    """Returns whether nobody will finish a file or folder."""
    age = time.time() - path.stat().st_mtime
    if age <= _GRACE_SECONDS:
        return False
    with locked(path) as held:
        return age > _ABANDONED_SECONDS if held is None else held


def remove_abandoned(folder: pathlib.Path) -> None:
    """Removes from a folder what writers left there that were killed."""
    for path in folder.iterdir():
        if not _NAME.fullmatch(path.name) or path.is_symlink():
            continue
        # Its writer may finish meanwhile.
        with contextlib.suppress(OSError):
            if not is_abandoned(path):
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
