"""`model.keras`: the model of a run, which Keras alone can load."""

import dataclasses
import json
import pathlib
import zipfile
import zlib

import keras

from keras_vae.config.migration import SCHEMA
from keras_vae.errors import UserError
from keras_vae.io import local_files
from keras_vae.training import config_values
from keras_vae.training.experiment import ExperimentConfig
from keras_vae.training.preparation import Preparation
from keras_vae.training.run_folder import check_schema
from keras_vae.training.trained_model import TrainedModel

__all__ = ["check_whole", "read_model", "write_model"]

# Beside what Keras writes, which passes over it.
_RECORD = "keras_vae.json"
# What reading a damaged archive raises.
_DAMAGE = (
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


def write_model(trained: TrainedModel, path: pathlib.Path) -> None:
    """Writes a model with all that says what it is.

    Args:
        trained: The model, with what it was trained on.
        path: The file, `*.keras`; it is old or new, never half of it.

    Raises:
        OSError: If it cannot be written.
    """
    record = {
        "schema": SCHEMA,
        "experiment": trained.experiment.to_dict(),
        "preparation": dataclasses.asdict(trained.preparation),
        "step": trained.step,
        "last_step": trained.last_step,
        "weights": trained.weights,
    }

    def write(partial: pathlib.Path) -> None:
        trained.model.save(partial)
        with zipfile.ZipFile(partial, "a") as archive:
            archive.writestr(_RECORD, json.dumps(record, indent=2))

    local_files.replace(path, write)


def check_whole(path: pathlib.Path) -> None:
    """Raises UserError unless a Keras file can be read to its last byte."""
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
            if bad is not None:
                raise zipfile.BadZipFile(f"{bad} is damaged")
    except _DAMAGE as error:
        raise _not_readable(path, error) from error


def read_model(path: pathlib.Path) -> TrainedModel:
    """Reads what `write_model` wrote, or any model of the package.

    Raises:
        UserError: If it is no such file, or damaged, or of a newer version.
    """
    check_whole(path)
    try:
        with zipfile.ZipFile(path) as archive:
            record = json.loads(archive.read(_RECORD))
    except _DAMAGE as error:
        raise _not_readable(path, error) from error
    check_schema(record, path)
    experiment = ExperimentConfig.from_dict(record.get("experiment"))
    preparation = config_values.build(
        Preparation,
        "preparation",
        config_values.section(record, "preparation"),
        complete=True,
    )
    return TrainedModel(
        keras.saving.load_model(path, compile=False),
        experiment,
        preparation,
        step=record["step"],
        last_step=record["last_step"],
        weights=record["weights"],
    )


def _not_readable(path: pathlib.Path, error: Exception) -> UserError:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return UserError(
        "The model file cannot be read, copy it again or train again: "
        f"{reason}. Received: {path}"
    )
