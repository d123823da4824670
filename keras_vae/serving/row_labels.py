"""Labels of the rows that a conditional model is asked about."""

import pathlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from keras_vae.errors import UserError
from keras_vae.labels import (
    FOLDERS,
    NO_CLASS,
    Label,
    class_numbers,
    folder_classes,
    label_rows,
    no_folder_class,
)
from keras_vae.notes import note

__all__ = ["Classes", "labels_of_rows", "read_class_names"]

_MAX_CLASSES = 1 << 20


class Classes(Protocol):
    """What a client knows of the classes of its model."""

    @property
    def is_conditional(self) -> bool:
        """Whether the model takes labels."""

    @property
    def num_classes(self) -> int | None:
        """How many classes there are; None where that is not known."""

    @property
    def class_names(self) -> list[str] | None:
        """Their names; None where they are not known."""


def labels_of_rows(
    client: Classes,
    label: Label | None,
    num: int,
    *,
    files: Sequence[pathlib.Path] | None = None,
    repeat: bool = False,
) -> np.ndarray | None:
    """Returns a label for each row, int32 `[num]`; None without classes.

    Args:
        client: Knows the classes, as far as they can be known.
        label: What was asked for: as for `keras_vae.labels.class_numbers`, or
            `"folders"`.
        num: How many rows there are.
        files: Their files, whose folders may be asked for.
        repeat: Whether any number of labels will do, taken in turn.

    Raises:
        UserError: If the model and the labels do not go together.
    """
    if not client.is_conditional:
        if label is not None:
            raise UserError(
                "The model is not conditional, it does not know classes: leave "
                "the label out, or train one that does with "
                "--config.num_classes=auto. "
                f"Received: label={label}"
            )
        return None
    names = client.class_names
    if label is None:
        first = shlex.quote(names[0]) if names else 0
        raise UserError(
            "The model is conditional: give a label, such as "
            f"--label={first}. Received: no label"
        )
    if names is None and isinstance(label, str):
        note(
            "the server does not tell the names of the classes, as an export "
            "of an earlier version: a label is a class's number, from 0 on"
        )
    asks_folders = isinstance(label, str) and label == FOLDERS
    if asks_folders and FOLDERS not in (names or ()):
        return _of_folders(files, names)
    count = client.num_classes if names is None else len(names)
    return label_rows(class_numbers(label, names, count), num, repeat=repeat)


def read_class_names(
    ask: Callable[..., Mapping[str, np.ndarray]], num_rows: int
) -> list[str]:
    """Returns what a server says that the classes of its model are called.

    Args:
        ask: Asks a signature, as `Client.ask`; `class_names` is one.
        num_rows: Classes that are asked for at once.

    Raises:
        UserError: If there is no end of them.
    """
    names: list[str] = []
    while True:
        rows = np.arange(len(names), len(names) + num_rows)
        (found,) = ask("class_names", label=rows).values()
        known = [name.decode() for name in found if name]
        names += known
        if len(known) < len(found):
            return names
        if len(names) > _MAX_CLASSES:
            raise UserError(
                "The model names more classes than possible: it is not an "
                "export of this package. Received: "
                f"{len(names):,} names of classes"
            )


def _of_folders(
    files: Sequence[pathlib.Path] | None, class_names: Sequence[str] | None
) -> np.ndarray:
    if files is None:
        raise UserError(
            "label must be classes; folders name them where files are read. "
            f"Received: label={FOLDERS}"
        )
    classes = folder_classes(files, class_names)
    for path, found in zip(files, classes, strict=True):
        if found == NO_CLASS:
            raise no_folder_class(path, class_names)
    return classes
