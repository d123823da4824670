"""Which experiment a checkpoint is of, as it says itself."""

import math
from collections.abc import Sequence
from typing import Any

from keras_vae.config import differences
from keras_vae.errors import UserError
from keras_vae.models import GenerativeModel
from keras_vae.training import checkpoint_files
from keras_vae.training.checkpoint_files import (
    ExperimentRecord,
    SavedCheckpoint,
)
from keras_vae.training.experiment import ExperimentConfig, RunFolder

__all__ = ["best_or_last", "check", "check_images", "make"]


def make(
    experiment: ExperimentConfig, model: GenerativeModel
) -> ExperimentRecord:
    """Returns what a checkpoint holds to name its experiment."""
    images = _images(model.image_shape, model.class_names)
    return ExperimentRecord(
        {"experiment": experiment.identity(), "images": images}
    )


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
        if "training" in folder.load_results():
            raise UserError(
                "The run has lost its checkpoints: restore the folder from a "
                "copy, or choose another --workdir. "
                f"Received: {folder.checkpoints}"
            )
        return
    if saved.record is not None:
        known = ExperimentConfig.from_dict(saved.record.get("experiment"))
        _check_same(saved, known.identity(), experiment.identity())
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
        _check_same(saved, known, _images(image_shape, class_names))


def best_or_last(
    folder: RunFolder, experiment: ExperimentConfig
) -> SavedCheckpoint:
    """Returns the best checkpoint of a run with `patience`, else the last.

    Raises:
        UserError: If there is none, or none that is whole.
    """
    patience = experiment.training.patience
    best = checkpoint_files.lowest(folder.best) if patience else None
    if best is not None:
        return best
    last = checkpoint_files.newest(folder.checkpoints)
    if last is None:
        raise UserError(
            "The run has no checkpoint yet: train it first with apps/train.py. "
            f"Received: --workdir={folder.path}"
        )
    if patience and last.best_loss < math.inf:
        # A training may have saved its first one meanwhile.
        best = checkpoint_files.lowest(folder.best)
        if best is None:
            checkpoint_files.check_best(last.best_loss, folder.best)
    return best or last


def _images(
    image_shape: Sequence[int], class_names: Sequence[str]
) -> dict[str, Any]:
    return {"image_shape": list(image_shape), "class_names": list(class_names)}


def _check_same(
    saved: SavedCheckpoint, known: dict[str, Any], new: dict[str, Any]
) -> None:
    changed = differences(known, new)
    if changed:
        raise UserError(
            "The checkpoint does not fit: it belongs to another experiment, "
            "and config.json was lost or replaced. Put it back, or choose "
            f"another --workdir. Received: {saved.path} "
            f"({'; '.join(changed[:5])})"
        )
