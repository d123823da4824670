"""The classes of what a verb asks about."""

import pathlib
from collections.abc import Sequence

import numpy as np

from keras_vae.errors import UserError
from keras_vae.labels import NO_CLASS, Label, folder_classes
from keras_vae.serving.row_labels import labels_of_rows
from keras_vae.use.target import Target

__all__ = ["class_arrays", "classes_in_turn", "classes_of_files"]


def class_arrays(
    labels: np.ndarray | None, class_names: Sequence[str] | None
) -> dict[str, np.ndarray]:
    """Returns what an NPZ file says of classes: `label` and `class_names`.

    Args:
        labels: The class of each row; None where they are not known.
        class_names: Name of each label; None, or none, where not known.
    """
    arrays = {}
    if labels is not None:
        arrays["label"] = labels
        if class_names:
            arrays["class_names"] = np.array(class_names)
    return arrays


def classes_in_turn(
    target: Target, label: Label | None, num: int
) -> np.ndarray | None:
    """Returns a class for each sample, int32 `[num]`; None without classes.

    Args:
        target: The model.
        label: Classes that are taken in turn; None for all of them.
        num: How many samples there are.

    Raises:
        UserError: If the model has no such classes, or does not tell which it
            has.
    """
    if label is None and target.is_conditional and target.num_classes:
        label = np.arange(target.num_classes)
    return labels_of_rows(target, label, num, repeat=True)


def classes_of_files(
    target: Target, label: Label | None, paths: Sequence[pathlib.Path]
) -> np.ndarray | None:
    """Returns the class of each file, int32 `[num]`; None without classes.

    Args:
        target: The model.
        label: The class of all of them, or of each; `"folders"`: those that
            their folders are named after, as they are where it is None.
        paths: The files.

    Raises:
        UserError: If the model has no such classes, or no folder is named
            after one.
    """
    if label is None and target.is_conditional:
        found = folder_classes(paths, target.class_names)
        if np.any(found == NO_CLASS):
            raise UserError(
                "The model is conditional, and the images' classes are not "
                "known: add --label=CLASS, or put the files into folders named "
                "after their classes. Received: no label"
            )
        return found
    return labels_of_rows(target, label, len(paths), files=paths)
