"""Labels for a conditional model, as the command line names them."""

import pathlib
from collections.abc import Sequence

import numpy as np

from keras_vae.errors import UserError, did_you_mean
from keras_vae.serving.client import Client

__all__ = ["FOLDERS", "Labels", "labels_of_rows", "parse_labels"]

# Says that each file's label is the class that its folder is named after.
FOLDERS = "folders"
Labels = Sequence[int] | str | None


def parse_labels(text: str | None) -> Labels:
    """Returns `"3"` as [3], `"0,1,2"` as [0, 1, 2], `"folders"` as it is.

    Raises:
        UserError: If it is anything else.
    """
    if text is None or text == FOLDERS:
        return text
    parts = [part.strip() for part in text.split(",")]
    if not all(p.isdecimal() and int(p) < 2**31 for p in parts):
        raise UserError(
            "label must be a whole number, several with commas, or "
            f"{FOLDERS}: the class that each file's folder is named after. "
            f"Received: --label={text}"
        )
    return [int(part) for part in parts]


def labels_of_rows(
    client: Client,
    label: Labels,
    num: int,
    *,
    files: Sequence[pathlib.Path] | None = None,
    repeat: bool = False,
) -> np.ndarray | None:
    """Returns a label for each row, int32 `[num]`; None without classes.

    Args:
        client: Knows the classes, as far as they can be known.
        label: What was asked for.
        num: How many rows there are.
        files: Their files, whose folders may be asked for.
        repeat: Whether any number of labels will do, taken in turn.

    Raises:
        UserError: If the model and the labels do not go together.
    """
    if not client.is_conditional:
        if label is not None:
            raise UserError(
                "The model is not conditional: leave the label out. "
                f"Received: label={label}"
            )
        return None
    if label is None:
        raise UserError(
            "The model is conditional: give a label, such as --label=3. "
            "Received: no label"
        )
    if not isinstance(label, str):
        labels = _row_labels(label, num, repeat)
    elif label == FOLDERS and files is not None:
        labels = _folder_labels(files, client.metadata.get("class_names"))
    else:
        raise UserError(
            "label must be numbers; folders name classes where files are "
            f"read. Received: label={label}"
        )
    num_classes = client.num_classes
    if num_classes and (wrong := labels[labels >= num_classes]).size:
        raise UserError(
            f"label must be 0 ... {num_classes - 1}. Received: label={wrong[0]}"
        )
    return labels


def _row_labels(labels: Sequence[int], num: int, repeat: bool) -> np.ndarray:
    """Returns a label for each row, int32 `[num]`.

    Args:
        labels: One for all rows, or one for each.
        num: How many rows there are.
        repeat: Whether any number of labels will do, taken in turn.

    Raises:
        UserError: If there are more or fewer.
    """
    if len(labels) not in (1, num) and not repeat:
        raise UserError(
            f"label must be one for all, or one for each of the {num:,} rows. "
            f"Received: {len(labels):,} labels"
        )
    return np.resize(np.asarray(labels, np.int32), num)


def _folder_labels(
    paths: Sequence[pathlib.Path], class_names: Sequence[str] | None
) -> np.ndarray:
    """Returns the class of each file by its folder's name, int32 `[num]`.

    Args:
        paths: The files.
        class_names: The names in order; None where they are not known, and
            the folders' names are the numbers.

    Raises:
        UserError: If a folder's name is no class.
    """
    known = {name: index for index, name in enumerate(class_names or ())}
    labels = np.empty([len(paths)], np.int32)
    for index, path in enumerate(paths):
        name = path.absolute().parent.name
        if name in known:
            labels[index] = known[name]
        elif not known and name.isdecimal() and int(name) < 2**31:
            labels[index] = int(name)
        else:
            hint = "A server does not tell names: folders must be numbers."
            if known:
                hint = did_you_mean(name, known)
            raise UserError(
                f"The folder's name is no class. {hint} Received: {path}"
            )
    return labels
