"""`load_trained`: the model of a run, from where it was left."""

import dataclasses
import os
import pathlib

import tensorflow as tf

from keras_vae.config import check_choice
from keras_vae.errors import UserError
from keras_vae.io.failures import translated
from keras_vae.models import build_model
from keras_vae.notes import note
from keras_vae.training import checkpoint_files, run_record
from keras_vae.training.checkpoint_files import SavedCheckpoint
from keras_vae.training.experiment import ExperimentConfig
from keras_vae.training.model_file import read_model
from keras_vae.training.restoring import restore_weights
from keras_vae.training.run_folder import RunFolder
from keras_vae.training.trained_model import TrainedModel

__all__ = ["WEIGHTS", "chosen_weights", "load_trained"]

WEIGHTS = ("last", "best")


def chosen_weights(experiment: ExperimentConfig) -> str:
    """Returns which weights of a run are its model: `best` with patience."""
    return "best" if experiment.training.patience else "last"


def load_trained(
    workdir: str | os.PathLike[str], weights: str | None = None
) -> TrainedModel:
    """Loads the model of a run; no optimizer is made for it.

    It comes from `model.keras`, which a run has when it ends or is stopped, or
    else, as in a run that goes on or was killed, from its last checkpoint.

    Args:
        workdir: The run folder, or a `model.keras` alone.
        weights: `last`, or `best`: those of the lowest `val_loss`. None: the
            best of a run with `patience`, and else the last.

    Raises:
        UserError: If the folder holds no run, no checkpoint yet, none that is
            whole, or one of another experiment, or of another model than this
            version of the package makes.
    """
    if weights is not None:
        check_choice("weights", weights, WEIGHTS)
    path = pathlib.Path(workdir)
    if path.suffix == ".keras" and path.is_file():
        return read_model(path)
    folder = RunFolder(workdir)
    with translated():
        experiment = folder.load_experiment()
        found = _from_file(folder)
        if found is not None and weights in (None, found.weights):
            run_record.check_model(folder, experiment, found)
            return dataclasses.replace(
                found, experiment=experiment, folder=folder
            )
        return _from_checkpoints(folder, experiment, weights)


def _from_file(folder: RunFolder) -> TrainedModel | None:
    """Returns what is in `model.keras`; None where there is none to be read."""
    if not folder.model.exists():
        return None
    try:
        return read_model(folder.model)
    except UserError as error:
        note(f"{error}, so that the checkpoint is used")
        return None


def _from_checkpoints(
    folder: RunFolder, experiment: ExperimentConfig, wanted: str | None
) -> TrainedModel:
    """Returns the model of the newest; a training may remove it meanwhile."""
    last = None
    while True:
        newest = checkpoint_files.newest(folder.checkpoints)
        try:
            saved, weights = _chosen(newest, folder, experiment, wanted)
            return _from_checkpoint(folder, experiment, saved, weights)
        except tf.errors.OpError:
            if newest is None or newest.path == last:
                raise  # It is still there.
            last = newest.path


def _from_checkpoint(
    folder: RunFolder,
    experiment: ExperimentConfig,
    saved: SavedCheckpoint,
    weights: str,
) -> TrainedModel:
    shape, names = folder.load_image_shape(), folder.load_class_names()
    saved.warn()
    run_record.check(saved, folder, experiment)
    run_record.check_images(saved, shape, names)
    preparation = run_record.preparation(saved, folder, experiment)
    model = build_model(
        experiment.model,
        shape,
        **preparation.model_options(),
        class_names=names,
    )
    averaged = experiment.model.ema_momentum > 0
    restore_weights(saved, model, weights, averaged)
    step = saved.step
    if weights == "best" and saved.schema > 1:
        step = checkpoint_files.best_step(saved.path)
    return TrainedModel(
        model,
        experiment,
        preparation,
        folder,
        step=step,
        last_step=max(step, saved.last_step),
        weights=weights,
    )


def _chosen(
    last: SavedCheckpoint | None,
    folder: RunFolder,
    experiment: ExperimentConfig,
    wanted: str | None,
) -> tuple[SavedCheckpoint, str]:
    """Returns the checkpoint that has the weights, and which these are.

    A run with `patience` that was not validated yet has its last ones alone.

    Args:
        last: The newest checkpoint.
        folder: The run folder.
        experiment: What was run.
        wanted: Which weights, as for `load_trained`.

    Raises:
        UserError: If there is none, or none that is whole.
    """
    if last is None:
        raise UserError(
            "The run has no checkpoint yet: train it first with apps/train.py. "
            f"Received: --workdir={folder.path}"
        )
    validated = checkpoint_files.has_best(last.path)
    if wanted is None:
        wanted = chosen_weights(experiment) if validated else "last"
    if wanted == "last":
        return last, wanted
    best: SavedCheckpoint | None = last if validated else None
    if last.schema == 1:  # It kept the best ones in a folder of their own.
        best = checkpoint_files.newest(folder.checkpoints / "best")
    if best is None:
        raise UserError(
            "The best weights of the run are missing: restore the folder from "
            "a copy, or take the last ones with --weights=last. "
            f"Received: {folder.checkpoints}"
        )
    return best, wanted
