"""The model of a run, as its checkpoint holds it."""

import dataclasses
import os

from keras_vae.errors import UserError
from keras_vae.failures import translated
from keras_vae.models import GenerativeModel
from keras_vae.training import run_record
from keras_vae.training.experiment import ExperimentConfig, RunFolder
from keras_vae.training.preparation import resolve_data
from keras_vae.training.state import make_state

__all__ = ["TrainedRun", "load_trained", "load_trained_run"]


@dataclasses.dataclass(frozen=True)
class TrainedRun:
    """The model of a run.

    Attributes:
        model: In float32, with its averaged weights.
        experiment: What it was trained on and how.
        step: The training steps after which it was saved.
        last_step: Those of the last checkpoint of its kind, which is another
            one where that is damaged.
    """

    model: GenerativeModel
    experiment: ExperimentConfig
    step: int
    last_step: int


def load_trained(
    workdir: str | os.PathLike[str],
) -> tuple[GenerativeModel, ExperimentConfig]:
    """Returns the model and the experiment of `load_trained_run`."""
    run = load_trained_run(workdir)
    return run.model, run.experiment


def load_trained_run(workdir: str | os.PathLike[str]) -> TrainedRun:
    """Loads the model of a run.

    With `patience` its weights are those of the lowest `val_loss`, else the
    last ones.

    Raises:
        UserError: If the folder holds no run, no checkpoint yet, none that is
            whole, or one of another experiment, or of another model than this
            version of the package makes.
    """
    folder = RunFolder(workdir)
    experiment = folder.load_experiment()
    shape, names = folder.load_image_shape(), folder.load_class_names()
    saved = run_record.best_or_last(folder, experiment)
    saved.warn()
    run_record.check(saved, folder, experiment)
    run_record.check_images(saved, shape, names)
    resolved = resolve_data(experiment.data, experiment.model)
    with translated():
        state = make_state(
            experiment.model,
            shape,
            likelihood=resolved["likelihood"],
            total_steps=None,
            seed=experiment.training.seed,
            precision="float32",
            num_bits=experiment.data.num_bits,
            dequantization=resolved["dequantization"],
            class_names=names,
        )
    try:
        # Without what the checkpoint has beyond the model being warned of.
        status = state.checkpoint().restore(saved.path).expect_partial()
        status.assert_existing_objects_matched()
    except (AssertionError, ValueError) as error:
        raise UserError(
            "The checkpoint does not fit the model: another version of the "
            "package wrote it. Use that version, or train again. "
            f"Received: {saved.path}"
        ) from error
    state.swap_averages()
    return TrainedRun(state.model, experiment, saved.step, saved.last_step)
