"""The classes of a conditional model, as a person names them."""

import numbers
import pathlib
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_vae.errors import UserError, did_you_mean, printable, shown
from keras_vae.folder_names import SPLIT_NAMES, is_passed_over
from keras_vae.notes import counted
from keras_vae.numerals import parse_whole

__all__ = [
    "FOLDERS",
    "NO_CLASS",
    "Label",
    "class_folders",
    "class_numbers",
    "folder_classes",
    "label_rows",
    "names_of",
    "no_folder_class",
]

# Says that each file's label is the class that its folder is named after.
FOLDERS = "folders"
# Stands for the class of a file whose folder is named after none.
NO_CLASS = -1
# Bytes of a class in the name of its folder; file systems take 255 in all.
_MOST_BYTES = 100
# What the name of a folder does not have everywhere.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\:]")
# A number or a name, or several; as a string with commas. What can become an
# array, as a tensor, is one.
Label = int | str | Sequence[int | str] | np.ndarray


def class_numbers(
    label: Label, class_names: Sequence[str] | None, num_classes: int | None
) -> list[int]:
    """Returns the numbers of the classes that `label` names.

    What is written as text is a class's name; only where no class has a number
    for its name may it also be a class's number. With classes named 1, 2 and
    3, `"1"` is the first of them, class number 0, and `"0"` is an error. An
    integer is a class's number; where a class has a number for its name, only
    one whose name is that number too, as of digits: 1 is an error with the
    classes 1, 2 and 3. The integers of an array, as those of a dataset, are
    class numbers always.

    Args:
        label: A number or a name, or several: a sequence, an array, or text
            with commas between them.
        class_names: The names in the order of their numbers; None where they
            are not known, and text must be a number.
        num_classes: How many there are; None where that is not known.

    Raises:
        UserError: If there is no such class, or none is given.
    """
    names = list(class_names or ())
    if isinstance(label, str):
        # The name of a class may have a comma.
        whole = label in names
        parts = [label] if whole else [p.strip() for p in label.split(",")]
        return [_number(part, names, num_classes) for part in parts]
    if hasattr(label, "__array__") and not isinstance(label, np.generic):
        label = np.atleast_1d(np.asarray(label))
        names = [] if label.dtype.kind in "iu" else names
    if isinstance(label, Sequence | np.ndarray):
        if not len(label):
            raise UserError(
                "label must be a class, or several. Received: an empty list"
            )
        return [_number(part, names, num_classes) for part in label]
    return [_number(label, names, num_classes)]


def folder_classes(
    paths: Sequence[pathlib.Path], class_names: Sequence[str] | None
) -> np.ndarray:
    """Returns the class of each file by its folder's name, int32 `[num]`.

    Args:
        paths: The files.
        class_names: The names in the order of their numbers; None where they
            are not known, and the folders' names are the numbers.

    Returns:
        classes: `NO_CLASS` where the folder's name is no class.
    """
    classes = np.empty([len(paths)], np.int32)
    known = {name: number for number, name in enumerate(class_names or ())}
    for index, path in enumerate(paths):
        name = path.absolute().parent.name
        classes[index] = known.get(name, NO_CLASS)
        if class_names is None and _is_number(name):
            classes[index] = int(name)
    return classes


def class_folders(class_names: Sequence[str]) -> list[str]:
    """Returns a folder for each class, after whose name it is called.

    They are names that a folder can have and that `image_folder` reads as
    classes: the class "a/b" has the folder "a_b". All begin with the numbers of
    the classes where one would have none, as "..", or one that `image_folder`
    takes for something else, as "train", or where two would have the same one
    on a file system that takes "cat" for "Cat".
    """
    folders = [_folder(name) for name in class_names]
    same = {unicodedata.normalize("NFC", name).casefold() for name in folders}
    if len(same) == len(folders) and all(map(_is_a_class, folders)):
        return folders
    return [f"{i}_{name}".strip("_") for i, name in enumerate(folders)]


def _folder(name: str) -> str:
    """Returns a name as a folder can have it; "" where nothing is left."""
    safe = _UNSAFE.sub("_", name.strip(". ")).encode(errors="replace")
    return safe[:_MOST_BYTES].decode(errors="ignore").rstrip(". ")


def _is_a_class(folder: str) -> bool:
    return (
        folder != ""
        and folder.lower() not in SPLIT_NAMES
        and not is_passed_over(folder)
    )


def label_rows(
    classes: Sequence[int], num: int, *, repeat: bool = False
) -> np.ndarray:
    """Returns a class for each row, int32 `[num]`.

    Args:
        classes: One for all rows, or one for each.
        num: How many rows there are.
        repeat: Whether any number of classes will do, taken in turn.

    Raises:
        UserError: If there are more or fewer.
    """
    if len(classes) not in (1, num) and not repeat:
        raise UserError(
            "label must be one for all rows, or one for each. Received: "
            f"{counted(len(classes), 'label')} for {counted(num, 'row')}"
        )
    return np.resize(np.asarray(classes, np.int32), num)


def names_of(
    classes: Sequence[int] | np.ndarray, class_names: Sequence[str]
) -> list[str]:
    """Returns the name of each class; "" where it has none."""
    known = dict(enumerate(class_names))
    return [known.get(int(number), "") for number in classes]


def no_folder_class(
    path: pathlib.Path, class_names: Sequence[str] | None
) -> UserError:
    """Returns the error that says that a file's folder names no class."""
    hint = "The server does not tell their names: folders must be numbers."
    if class_names is not None:
        hint = did_you_mean(path.absolute().parent.name, class_names)
    return UserError(
        f"The folder's name is no class. {hint} Received: {printable(path)}"
    )


def _number(
    part: object, class_names: list[str], num_classes: int | None
) -> int:
    is_integer = isinstance(part, numbers.Integral) and not isinstance(
        part, bool
    )
    if isinstance(part, str) and part in class_names:
        return class_names.index(part)
    if isinstance(part, str) or (is_integer and _is_unclear(part, class_names)):
        _refuse_number(part, class_names)
    if is_integer or (isinstance(part, str) and _is_number(part)):
        number = int(part)  # type: ignore[call-overload]
        if 0 <= number < (num_classes or 2**31):
            return number
    last = "..." if num_classes is None else f"... {num_classes - 1}"
    hint = "."
    if class_names and isinstance(part, str) and not _is_number(part):
        hint = f", or a name. {did_you_mean(part, class_names)}"
    raise UserError(
        f"label must be a class, 0 {last}{hint} Received: label={shown(part)}"
    )


def _is_unclear(number: Any, class_names: list[str]) -> bool:
    """Returns whether the class of a number is not the one of that name."""
    text = shown(number)
    if 0 <= number < len(class_names):
        return class_names[number] != text
    return text in class_names


def _refuse_number(part: Any, class_names: list[str]) -> None:
    """Raises UserError where a class's number could be taken for a name."""
    if any(map(_is_number, class_names)):
        raise UserError(
            "label must be the name of a class, as text, where some are named "
            f"by numbers. {did_you_mean(shown(part), class_names)} "
            f"Received: label={shown(part)}"
        )


def _is_number(text: str) -> bool:
    number = parse_whole(text)
    return number is not None and number < 2**31
