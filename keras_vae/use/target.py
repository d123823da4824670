"""What a verb asks: the model of a run, an export, or one on a server."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from keras_vae.serving.client import Client
from keras_vae.training import TrainedModel
from keras_vae.use.client_target import ClientTarget
from keras_vae.use.model_target import ModelTarget

__all__ = ["Answers", "Inputs", "Target", "answered", "target_of"]

Inputs = Mapping[str, np.ndarray]
Answers = Iterator[dict[str, np.ndarray]]


class Target(Protocol):
    """A model that can be asked, wherever it is.

    The verbs are `reconstruct`, `encode`, `decode`, `sample` and `score`, with
    the inputs and outputs of an export's signatures of those names.
    """

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the model's images."""

    @property
    def resize(self) -> tuple[int, int] | None:
        """(height, width) to which training resized images; None: not."""

    @property
    def pad(self) -> int:
        """Pixels that training added on every side after that."""

    @property
    def unit(self) -> str | None:
        """Of scores, one of `keras_vae.units`; None where it is not known."""

    @property
    def latent_dim(self) -> int:
        """Size of the latent vector."""

    @property
    def is_conditional(self) -> bool:
        """Whether the model takes labels."""

    @property
    def num_classes(self) -> int | None:
        """How many classes there are; None where that is not known."""

    @property
    def class_names(self) -> list[str] | None:
        """Their names; None where they are not known."""

    def check_can(self, verb: str) -> None:
        """Raises UserError unless the model can do what a verb asks."""

    def rows_per_request(self, verb: str) -> int:
        """Returns how many rows a batch may have."""

    def ask_batches(self, verb: str, batches: Iterable[Inputs]) -> Answers:
        """Yields the answer to each batch, in their order, as it is needed."""

    def check_sampling(
        self, temperature: Sequence[float], options: Mapping[str, Any]
    ) -> None:
        """Raises UserError unless samples can be drawn so.

        Args:
            temperature: Of all latents, or of each group.
            options: Of `sample`, those that were given.
        """

    def sample_batches(
        self,
        batches: Iterable[Inputs],
        temperature: Sequence[float],
        seed: int,
        options: Mapping[str, Any],
    ) -> Answers:
        """Yields samples as `ask_batches` does.

        Args:
            batches: The seeds of the rows, and their labels.
            temperature, options: As for `check_sampling`.
            seed: Of what is drawn for all rows together.
        """


def target_of(model: TrainedModel | Client | Target) -> Target:
    """Returns what verbs ask for a model of a run, or through a client."""
    if isinstance(model, TrainedModel):
        return ModelTarget(model)
    if isinstance(model, Client):
        return ClientTarget(model)
    return model


def answered(
    target: Target, verb: str, inputs: Inputs
) -> dict[str, np.ndarray]:
    """Returns the answer to any number of rows, `[num, ...]` each."""
    num = len(next(iter(inputs.values())))
    step = target.rows_per_request(verb)
    batches = (
        {name: rows[start : start + step] for name, rows in inputs.items()}
        for start in range(0, num, step)
    )
    parts = list(target.ask_batches(verb, batches))
    return {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}
