"""Version folders of a model: each appears whole or not at all.

TF Serving watches a folder and takes every name in it that is a number for a
version. So a version is written under a name that is none, synced to the disk,
and renamed; an old one is renamed to such a name before it is deleted. Whenever
an exporter is killed, a server sees whole versions; what is left under other
names, the next export removes.
"""

import contextlib
import errno
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator

from keras_vae.config import check_number
from keras_vae.errors import UserError
from keras_vae.io.failures import not_writable, writing
from keras_vae.io.local_files import check_local
from keras_vae.io.partials import PREFIX, is_abandoned, locked
from keras_vae.notes import first_names
from keras_vae.numerals import parse_whole

__all__ = [
    "add_version",
    "check_keep_versions",
    "check_writable",
    "newest_version",
    "next_version",
    "versions",
]

_REMOVED = ".removed-"
_MODEL_FILE = "saved_model.pb"


def add_version(
    base: pathlib.Path,
    write: Callable[[pathlib.Path], None],
    keep_versions: int | None = None,
    check: Callable[[], None] | None = None,
) -> pathlib.Path:
    """Adds the next version to a model's folder.

    Args:
        base: The model's folder; made if it is missing.
        write: Fills the empty folder whose path it is given.
        keep_versions: How many of the newest versions stay, the new one
            among them; None for all.
        check: Called when the version is written, before it appears; what it
            raises leaves the folder as it was. No other exporter's version
            appears between the two.

    Returns:
        The version folder.

    Raises:
        UserError: If something cannot be written or removed.
    """
    check_keep_versions(keep_versions)
    with _partial_folder(base) as partial:
        _remove_leftovers(base, partial)
        try:
            with writing(base):
                write(partial)
            partial.chmod(0o755)
            _sync_tree(partial)
            with locked(base, wait=True):
                if check is not None:
                    check()
                target = _publish(partial, base)
        except OSError as error:
            raise _not_writable(base, error) from error
    if keep_versions is not None:
        _remove_old(base, keep_versions, target)
    return target


def check_keep_versions(keep_versions: int | None) -> None:
    """Raises UserError if so many versions cannot be kept."""
    if keep_versions is not None:
        check_number("keep_versions", keep_versions, 1, whole=True)


def check_writable(export_dir: str | os.PathLike[str]) -> None:
    """Checks that a model's folder can get a version; leaves no trace.

    Raises:
        UserError: If nothing can be written there, or the folder is of
            something else, such as a run or images.
    """
    base = check_local("export_dir", export_dir)
    with _partial_folder(base):
        _check_purpose(base)


def _check_purpose(base: pathlib.Path) -> None:
    """Raises UserError if a folder without versions holds something else.

    A folder of images may have classes whose names are numbers.
    """
    if newest_version(base) is not None:
        return
    others = [
        path.name
        for path in sorted(base.iterdir())
        if not path.name.startswith(".") and not _may_be_version(path)
    ]
    if others:
        raise UserError(
            "The export folder holds what is no version of a model: choose "
            "another --export_dir, a new one. Received: "
            f"--export_dir={base}, which holds {first_names(others)}"
        )


def _may_be_version(path: pathlib.Path) -> bool:
    is_empty = not path.is_dir() or not any(path.iterdir())
    return parse_whole(path.name) is not None and is_empty


def versions(base: pathlib.Path) -> list[int]:
    """Returns the versions in a model's folder, in increasing order."""
    return sorted(int(path.name) for path in _numbered(base) if path.is_dir())


def newest_version(base: pathlib.Path) -> pathlib.Path | None:
    """Returns the folder of the newest SavedModel; None where there is none.

    A folder without a SavedModel is passed over, as a server cannot load it.
    """
    found = _with_model(base) if base.is_dir() else []
    return found[-1] if found else None


def next_version(base: pathlib.Path) -> int:
    """Returns the number after the highest, 1 for an empty folder.

    A file counts too: a server takes its name for a version.
    """
    return max((int(path.name) for path in _numbered(base)), default=0) + 1


def _numbered(base: pathlib.Path) -> list[pathlib.Path]:
    return [p for p in base.iterdir() if parse_whole(p.name) is not None]


def _with_model(base: pathlib.Path) -> list[pathlib.Path]:
    """Returns the version folders with a SavedModel, the newest one last."""
    found = [p for p in _numbered(base) if (p / _MODEL_FILE).is_file()]
    return sorted(found, key=lambda path: int(path.name))


@contextlib.contextmanager
def _partial_folder(base: pathlib.Path) -> Iterator[pathlib.Path]:
    """Makes `base`, where it is missing, and an empty, locked folder in it.

    On leaving, the folder is removed unless it was renamed, and so is what
    was made for it and holds nothing.
    """
    made: list[pathlib.Path] = []
    partial = None
    try:
        try:
            made += [p for p in (base, *base.parents) if not p.exists()]
            base.mkdir(parents=True, exist_ok=True)
            partial = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        except OSError as error:
            raise _not_writable(base, error) from error
        with locked(partial):
            yield partial
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()


def _publish(partial: pathlib.Path, base: pathlib.Path) -> pathlib.Path:
    """Renames a whole folder to the next version."""
    while True:
        target = base / str(next_version(base))
        try:
            partial.rename(target)
        except OSError as error:
            # Where another exporter was faster: the next number.
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                continue
            raise
        _sync(base)
        return target


def _sync_tree(folder: pathlib.Path) -> None:
    """Waits until a folder and all in it is on the disk."""
    for path in folder.rglob("*"):
        _sync(path)
    _sync(folder)


def _sync(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def _remove_old(base: pathlib.Path, keep: int, new: pathlib.Path) -> None:
    """Removes the versions beyond the newest, but for the new one.

    Only folders with a SavedModel count, so that no other data are lost.
    """
    for path in _with_model(base)[:-keep]:
        if path == new:
            continue
        try:
            _remove_version(path)
        except OSError as error:
            raise UserError(
                f"{new} is exported, but an older version cannot be removed. "
                f"Received: {path} ({error.strerror})"
            ) from error


def _remove_version(path: pathlib.Path) -> None:
    if path.is_symlink():
        path.unlink()
        return
    hidden = tempfile.mkdtemp(prefix=f"{_REMOVED}{path.name}-", dir=path.parent)
    # Another exporter may have removed it; an empty folder can be replaced.
    with contextlib.suppress(FileNotFoundError):
        path.rename(hidden)
    shutil.rmtree(hidden, ignore_errors=True)


def _remove_leftovers(base: pathlib.Path, own: pathlib.Path) -> None:
    """Removes what exporters left that were killed."""
    for path in base.iterdir():
        if path.name.startswith(_REMOVED):
            shutil.rmtree(path, ignore_errors=True)
        elif path.name.startswith(PREFIX) and path != own:
            # Another exporter may finish meanwhile.
            with contextlib.suppress(OSError):
                if is_abandoned(path):
                    shutil.rmtree(path, ignore_errors=True)


def _not_writable(base: pathlib.Path, error: OSError) -> UserError:
    return not_writable(
        "The export folder cannot be written: choose another --export_dir.",
        f"--export_dir={base}",
        error,
    )
