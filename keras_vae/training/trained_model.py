"""The model of a run, with what its images are."""

import dataclasses

from keras_vae.models import GenerativeModel
from keras_vae.training.experiment import ExperimentConfig
from keras_vae.training.preparation import Preparation
from keras_vae.training.run_folder import RunFolder

__all__ = ["TrainedModel"]


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """The model of a run, with what its images are.

    Attributes:
        model: The model, in float32, with its averaged weights.
        experiment: What it was trained on, and how.
        preparation: What `auto` stood for there.
        folder: The run folder; None where there is none, or where the images
            are not the run's, and need not be those that it began with.
        step: The training steps that its weights had.
        last_step: Those that the run had by then; more where it is not the last
            one that is kept, or the last is damaged.
        weights: Whether they are the `last` ones, or those of the `best`
            validation.
    """

    model: GenerativeModel
    experiment: ExperimentConfig
    preparation: Preparation
    folder: RunFolder | None = None
    step: int = 0
    last_step: int = 0
    weights: str = "last"

    @property
    def place(self) -> str:
        """The run folder, for messages and protocols."""
        return "" if self.folder is None else str(self.folder.path)
