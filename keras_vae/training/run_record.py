"""Which experiment a checkpoint is of, as it says itself."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from keras_vae.config import differences
from keras_vae.config.migration import SCHEMA
from keras_vae.errors import UserError
from keras_vae.models import GenerativeModel
from keras_vae.training import config_values
from keras_vae.training.checkpoint_files import (
    ExperimentRecord,
    SavedCheckpoint,
)
from keras_vae.training.experiment import ExperimentConfig
from keras_vae.training.preparation import Preparation
from keras_vae.training.run_folder import RunFolder
from keras_vae.training.trained_model import TrainedModel

__all__ = ["check", "check_images", "check_model", "make", "preparation"]


def make(
    experiment: ExperimentConfig,
    preparation: Preparation,
    model: GenerativeModel,
) -> ExperimentRecord:
    """Returns what a checkpoint holds to name its experiment."""
    return ExperimentRecord(
        {
            "schema": SCHEMA,
            "experiment": experiment.identity(),
            "preparation": dataclasses.asdict(preparation),
            "images": _images(model.image_shape, model.class_names),
        }
    )


def preparation(
    saved: SavedCheckpoint | None,
    folder: RunFolder,
    experiment: ExperimentConfig,
) -> Preparation:
    """Returns what `auto` stands for in a run, decided now if it is new.

    Args:
        saved: The checkpoint to go on from; None where there is none.
        folder: The run folder; where its `config.json` is lost, the checkpoint
            says.
        experiment: What runs there.

    Raises:
        UserError: If the configuration and the checkpoint say different things.
    """
    known = (saved.record or {}).get("preparation") if saved else None
    recorded = None
    if known is not None:
        recorded = config_values.build(
            Preparation, "preparation", known, complete=True
        )
    if not folder.config.exists():
        return recorded or experiment.prepare()
    found = folder.load_preparation()
    if saved is not None and recorded is not None:
        _check_same(
            saved.path, dataclasses.asdict(recorded), dataclasses.asdict(found)
        )
    return found


def check(
    saved: SavedCheckpoint | None,
    folder: RunFolder,
    experiment: ExperimentConfig,
) -> None:
    """Checks that the checkpoint in a run folder is of its experiment.

    Args:
        saved: The newest checkpoint; None where there is none.
        folder: The run folder.
        experiment: What runs there.

    Raises:
        UserError: If it is of another one, or names none and `config.json` is
            lost, or if checkpoints are lost.
    """
    if saved is None:
        if "training" in folder.results.load():
            raise UserError(
                "The run has lost its checkpoints: restore the folder from a "
                "copy, or choose another --workdir. "
                f"Received: {folder.checkpoints}"
            )
        return
    if saved.record is not None:
        known = ExperimentConfig.from_dict(saved.record.get("experiment"))
        _check_same(saved.path, known.identity(), experiment.identity())
    elif not folder.config.exists():
        raise UserError(
            "The run folder holds checkpoints without their config.json: put "
            "it back, or choose another --workdir. "
            f"Received: --workdir={folder.path}"
        )


def check_images(
    saved: SavedCheckpoint,
    image_shape: Sequence[int],
    class_names: Sequence[str],
) -> None:
    """Checks that a checkpoint is of a model of such images.

    Raises:
        UserError: If it says that its images are others.
    """
    if saved.record is not None:
        known = saved.record.get("images", {})
        _check_same(saved.path, known, _images(image_shape, class_names))


def check_model(
    folder: RunFolder, experiment: ExperimentConfig, found: TrainedModel
) -> None:
    """Checks that the `model.keras` in a run folder is of its run.

    Raises:
        UserError: If it is of another one.
    """
    known = {
        **found.experiment.identity(),
        "preparation": dataclasses.asdict(found.preparation),
        **_images(found.model.image_shape, found.model.class_names),
    }
    new = {
        **experiment.identity(),
        "preparation": dataclasses.asdict(folder.load_preparation()),
        **_images(folder.load_image_shape(), folder.load_class_names()),
    }
    _check_same(str(folder.model), known, new)


def _images(
    image_shape: Sequence[int], class_names: Sequence[str]
) -> dict[str, Any]:
    return {"image_shape": list(image_shape), "class_names": list(class_names)}


def _check_same(path: str, known: dict[str, Any], new: dict[str, Any]) -> None:
    changed = differences(known, new)
    if changed:
        raise UserError(
            "The run folder does not fit: what was trained belongs to another "
            "experiment, and config.json was lost or replaced. Put it back, or "
            f"choose another --workdir. Received: {path} "
            f"({'; '.join(changed[:5])})"
        )
