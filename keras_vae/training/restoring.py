"""The weights of a model out of a checkpoint, without an optimizer."""

from typing import Any

import tensorflow as tf

from keras_vae.errors import UserError
from keras_vae.models import GenerativeModel
from keras_vae.training.average_statistics import AverageStatistics
from keras_vae.training.checkpoint_files import SavedCheckpoint
from keras_vae.training.named_variables import named_variables

__all__ = ["restore_weights"]

_KNOWN = "{}/.ATTRIBUTES/VARIABLE_VALUE"


def restore_weights(
    saved: SavedCheckpoint, model: GenerativeModel, weights: str, averaged: bool
) -> None:
    """Gives a model the weights that a checkpoint holds.

    Args:
        saved: The checkpoint.
        model: The model, as the run made it.
        weights: `last` or `best`.
        averaged: Whether the run averages its weights; the last ones are then
            the averages.

    Raises:
        UserError: If the checkpoint is of another model.
    """
    if saved.schema == 1:
        parts = _schema_1(saved.path, model, averaged)
    elif weights == "best":
        parts = [{"best": named_variables(model)}]
    else:
        parts = [_last(saved.path, model, averaged)]
    try:
        for part in parts:
            # What the checkpoint has beyond the model is no fault.
            status = tf.train.Checkpoint(**part).restore(saved.path)
            status.expect_partial().assert_existing_objects_matched()
    except (AssertionError, ValueError) as error:
        raise UserError(
            "The checkpoint does not fit the model: another version of the "
            "package wrote it. Use that version, or train again. "
            f"Received: {saved.path}"
        ) from error


def _last(path: str, model: GenerativeModel, averaged: bool) -> dict[str, Any]:
    variables = named_variables(model)
    chosen = set()
    if averaged:
        chosen = {id(v) for v in model.trainable_variables}
        if _is_true(path, "statistics_known"):
            chosen |= {id(v) for v in AverageStatistics(model).statistics}
    return {
        "weights": {n: v for n, v in variables.items() if id(v) not in chosen},
        "averages": {n: v for n, v in variables.items() if id(v) in chosen},
    }


def _schema_1(
    path: str, model: GenerativeModel, averaged: bool
) -> list[dict[str, Any]]:
    """Returns what lies where in a checkpoint of schema 1: all by position."""
    trained: dict[str, Any] = {
        "_trainable_variables": list(model.trainable_variables)
    }
    if averaged:
        # The averages are the first variables of an optimizer but one.
        steps = tf.Variable(0, dtype=tf.int64, trainable=False)
        trained = {"_variables": [steps, *model.trainable_variables]}
    parts: list[dict[str, Any]] = [
        {
            "optimizer": tf.train.Checkpoint(**trained),
            "others": model.non_trainable_weights,
        }
    ]
    if averaged and _is_true(path, "average_statistics_known"):
        statistics = AverageStatistics(model).statistics
        parts.append({"average_statistics": statistics})
    return parts


def _is_true(path: str, name: str) -> bool:
    reader = tf.train.load_checkpoint(path)
    key = _KNOWN.format(name)
    return reader.has_tensor(key) and bool(reader.get_tensor(key))
