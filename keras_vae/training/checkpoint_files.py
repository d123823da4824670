"""Checkpoints as files: which are whole, and which experiment they are of.

The files themselves say what there is. TensorFlow's list of them, the file
`checkpoint`, is written after them and may be damaged as they may: it only says
which one should be there.
"""

import dataclasses
import errno
import json
import os
import pathlib
import re
import shutil
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import numpy as np
import tensorflow as tf

from keras_vae.errors import StorageError, UserError
from keras_vae.io import local_files
from keras_vae.io.failures import storage_error, writing

__all__ = [
    "ExperimentRecord",
    "SavedCheckpoint",
    "best_step",
    "has_best",
    "has_epoch",
    "newest",
    "recover",
    "save",
]

_LIST = "checkpoint"
# Steps are int64.
_FILE = re.compile(r"ckpt-([0-9]{1,19})\.(?:index|data-[0-9]+-of-[0-9]+)")
_LISTED = re.compile(
    rb'^model_checkpoint_path: "[^"\n]*ckpt-([0-9]{1,19})"', re.M
)
# What TensorFlow writes to before it renames.
_LEFTOVER = re.compile(
    r"ckpt-\d+_temp|.*\.tempstate\d+.*|checkpoint\.tmp[0-9a-f]+|\.partial-.*"
)
_BEST_LOSS = "best_loss/.ATTRIBUTES/VARIABLE_VALUE"
_BEST_STEP = "best_step/.ATTRIBUTES/VARIABLE_VALUE"
_RECORD = "experiment/.ATTRIBUTES/py_state"
# What reading a damaged checkpoint raises.
_DAMAGE = (tf.errors.OpError, IndexError, NotImplementedError, ValueError)
# With one of these the files may be whole.
_NOT_DAMAGE = (
    errno.EACCES,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.EPERM,
    errno.ESTALE,
)


class ExperimentRecord(tf.train.experimental.PythonState):
    """Names, in a checkpoint, the experiment that it belongs to.

    Args:
        content: Plain data for JSON.
    """

    def __init__(self, content: dict[str, Any]):
        self.text = json.dumps(content, sort_keys=True)

    def serialize(self) -> str:
        return self.text

    def deserialize(self, string_value: bytes) -> None:
        """Does nothing: who restores knows its experiment."""


@dataclasses.dataclass(frozen=True)
class SavedCheckpoint:
    """A checkpoint that was read to its last byte.

    Attributes:
        path: Its prefix, as `tf.train.Checkpoint.restore` takes it.
        step: The training steps that were done.
        record: What its `ExperimentRecord` says; None in one of a version of
            the package that did not write it.
        damaged: Newer ones that are not whole, and why.
    """

    path: str
    step: int
    record: dict[str, Any] | None
    damaged: dict[str, str]

    @property
    def schema(self) -> int:
        """That of what it holds; see `training.experiment.SCHEMA`."""
        return (self.record or {}).get("schema", 1)

    @property
    def last_step(self) -> int:
        """The steps of the newest one, damaged or not."""
        damaged = [int(path.rpartition("-")[2]) for path in self.damaged]
        return max([self.step, *damaged])

    def warn(self, stream: TextIO | None = None) -> None:
        """Says, in a line, if it is not the newest.

        Args:
            stream: Where to; standard error unless given.
        """
        for path, reason in self.damaged.items():
            print(
                f"warning: the checkpoint {path} is damaged ({reason}): the "
                f"one before is used, {pathlib.Path(self.path).name}",
                file=stream or sys.stderr,
                flush=True,
            )


def newest(folder: pathlib.Path) -> SavedCheckpoint | None:
    """Returns the newest whole checkpoint in a folder, None if it has none.

    Another process may be training there, which removes old ones: the search
    begins anew where the files changed under it.

    Raises:
        UserError: If there are checkpoints and none is whole.
        StorageError: If the disk fails, or they may not be read.
    """
    while True:
        before = _names(folder)
        damaged: dict[str, str] = {}
        saved = next(_search(folder, damaged), None)
        if not damaged or _names(folder) == before:
            break
    if saved is not None or not damaged:
        return saved
    path, reason = next(iter(damaged.items()))
    raise UserError(
        f"No checkpoint of the run can be read: they are damaged ({reason}).\n"
        "Restore the folder from a copy, or train again in another --workdir. "
        f"Received: {path}"
    )


def _search(
    folder: pathlib.Path, damaged: dict[str, str]
) -> Iterator[SavedCheckpoint]:
    """Yields the whole checkpoints, newest first; others go in `damaged`."""
    listed = _listed_step(folder)
    found = _steps(folder)
    expected = found if listed is None else found | {listed}
    for step in sorted(expected, reverse=True):
        path = str(folder / f"ckpt-{step}")
        if step not in found:
            damaged[path] = "it is missing"
            continue
        if _is_unfinished(folder, step, listed):
            continue
        try:
            record = _read(path)
        except _DAMAGE as error:
            _check_readable(path, error)
            damaged[path] = _reason(error)
            continue
        yield SavedCheckpoint(path, step, record, damaged)


def recover(folder: pathlib.Path) -> SavedCheckpoint | None:
    """Prepares a folder for going on from its newest whole checkpoint.

    What is damaged is removed, once it has been said, and what a killed save
    left. Nobody else may be writing there.

    Returns:
        As `newest`.

    Raises:
        UserError: As `newest`; then nothing is removed.
        StorageError: If the folder cannot be written.
    """
    saved = newest(folder)
    if saved is not None:
        saved.warn()
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for path in list(folder.iterdir()):
            if _LEFTOVER.fullmatch(path.name):
                _remove(path)
        last = -1 if saved is None else saved.step
        for step in _steps(folder):
            if step > last or not _index(folder, step).exists():
                for path in _files(folder, step):
                    _remove(path)
        _write_list(folder)
    return saved


def has_best(path: str) -> bool:
    """Returns whether a checkpoint has the weights of a best validation."""
    loss = tf.train.load_checkpoint(path).get_tensor(_BEST_LOSS)
    return bool(np.isfinite(loss))


def has_epoch(path: str) -> bool:
    """Returns whether a checkpoint has the metrics of the epoch so far."""
    variables = tf.train.load_checkpoint(path).get_variable_to_shape_map()
    return any(name.startswith("epoch/") for name in variables)


def best_step(path: str) -> int:
    """Returns the step of the best validation by the time of a checkpoint."""
    return int(tf.train.load_checkpoint(path).get_tensor(_BEST_STEP))


def save(manager: tf.train.CheckpointManager, step: int) -> None:
    """Saves a checkpoint of a training step.

    Raises:
        StorageError: If it cannot be written.
    """
    # TensorFlow would make the folder anew, alone.
    if not os.path.isdir(manager.directory):
        raise StorageError(
            "The folder of the checkpoints was removed while it was in use.\n"
            "Put it back, then repeat the command; else it starts anew. "
            f"Received: {manager.directory}"
        )
    with writing(manager.directory):
        manager.save(checkpoint_number=step)


def _names(folder: pathlib.Path) -> set[str]:
    """Returns the names of the checkpoints' files."""
    if not folder.is_dir():
        return set()
    names = {path.name for path in folder.iterdir()}
    return {name for name in names if _FILE.fullmatch(name)}


def _steps(folder: pathlib.Path) -> set[int]:
    """Returns the steps that have a file."""
    matches = map(_FILE.fullmatch, _names(folder))
    return {int(match[1]) for match in matches if match}


def _files(folder: pathlib.Path, step: int) -> Iterator[pathlib.Path]:
    yield from folder.glob(f"ckpt-{step}.*")


def _index(folder: pathlib.Path, step: int) -> pathlib.Path:
    return folder / f"ckpt-{step}.index"


def _listed_step(folder: pathlib.Path) -> int | None:
    """Returns the step that TensorFlow's list says is the last one."""
    path = folder / _LIST
    match = _LISTED.search(path.read_bytes()) if path.is_file() else None
    return int(match[1]) if match else None


def _is_unfinished(folder: pathlib.Path, step: int, listed: int | None) -> bool:
    """Returns whether the first save of a run was killed in its midst.

    A save writes the index last, and the list after it; without either there
    never was a checkpoint.
    """
    alone = listed is None and not (folder / _LIST).exists()
    return alone and not _index(folder, step).exists()


def _read(path: str) -> dict[str, Any] | None:
    """Reads all of a checkpoint, whose sums TensorFlow checks.

    Returns:
        What its `ExperimentRecord` says, if it has one.
    """
    reader = tf.train.load_checkpoint(path)
    names = reader.get_variable_to_shape_map()
    for name in names:
        reader.get_tensor(name)
    if _RECORD not in names:
        return None
    return json.loads(reader.get_tensor(_RECORD))


def _check_readable(path: str, error: Exception) -> None:
    for number in _NOT_DAMAGE:
        if os.strerror(number) in str(error):
            raise storage_error(path, number, os.strerror(number)) from error


def _reason(error: Exception) -> str:
    message = " ".join(str(error).split())
    for known in ("No such file or directory", "Is a directory"):
        if known in message:
            return known
    if "Failed to find any matching files" in message:
        return "its index is missing"
    return message.rpartition(": ")[2][:80] or type(error).__name__


def _write_list(folder: pathlib.Path) -> None:
    """Writes TensorFlow's list of the checkpoints, as its manager reads it."""
    steps = sorted(_steps(folder))
    if not steps:
        (folder / _LIST).unlink(missing_ok=True)
        return
    lines = [f'model_checkpoint_path: "ckpt-{steps[-1]}"']
    lines += [f'all_model_checkpoint_paths: "ckpt-{step}"' for step in steps]
    for step in steps:
        time = _index(folder, step).stat().st_mtime
        lines.append(f"all_model_checkpoint_timestamps: {time}")
    lines.append("last_preserved_timestamp: 0.0")
    text = "\n".join(lines) + "\n"
    path = folder / _LIST
    if path.is_dir():
        _remove(path)
    local_files.write_text(path, text)


def _remove(path: pathlib.Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
