"""The first weights of a new run, those of another one among them."""

import dataclasses
import os
import pathlib

import keras
import numpy as np
import tensorflow as tf

from keras_vae.data import ImageDataset, Split, evaluation_batches
from keras_vae.errors import UserError
from keras_vae.models import GenerativeModel
from keras_vae.priors import Prior
from keras_vae.training.experiment import ExperimentConfig
from keras_vae.training.model_file import check_whole
from keras_vae.training.named_variables import named_variables
from keras_vae.training.preparation import Preparation
from keras_vae.training.run import EVALUATION_BATCH_SIZE
from keras_vae.training.trained import load_trained

__all__ = ["TakenWeights", "initialize", "take_weights"]

_SHOWN = 20
_IMAGES_FOR_MEAN = 10_000


@dataclasses.dataclass(frozen=True)
class TakenWeights:
    """What was taken over.

    Attributes:
        source: From where.
        taken: Names of the variables; see `named_variables`.
        left: Name -> why that variable stays as it was initialised.
    """

    source: str
    taken: tuple[str, ...]
    left: dict[str, str]

    def describe(self) -> str:
        """Returns lines for people."""
        total = len(self.taken) + len(self.left)
        lines = [f"took {len(self.taken)} of {total} variables: {self.source}"]
        lines += [f"  taken: {name}" for name in self.taken[:_SHOWN]]
        if len(self.taken) > _SHOWN:
            lines.append(f"  taken: and {len(self.taken) - _SHOWN:,} more")
        shown = list(self.left.items())[:_SHOWN]
        lines += [f"  not taken: {name} ({why})" for name, why in shown]
        if len(self.left) > _SHOWN:
            lines.append(f"  not taken: and {len(self.left) - _SHOWN:,} more")
        return "\n".join(lines)


def initialize(
    model: GenerativeModel,
    experiment: ExperimentConfig,
    preparation: Preparation,
    dataset: ImageDataset,
    init_from: str | os.PathLike[str] | None,
) -> None:
    """Gives a new model the weights that training starts from."""
    if experiment.model.output_mean_bias:
        mean = _mean_image(dataset.splits["train"], preparation.num_bits)
        model.set_output_mean(mean)
    prior = getattr(model, "prior", None)
    if prior is not None and prior.num_initial_examples:
        _initialize_prior(prior, dataset.splits["train"], preparation)
    if init_from is not None:
        print(take_weights(model, init_from).describe(), flush=True)


def take_weights(
    model: GenerativeModel, source: str | os.PathLike[str]
) -> TakenWeights:
    """Gives a model the weights of another one, as far as they fit.

    A variable fits if it is in the same place of its network and of the same
    shape. So layers of other sizes, as the last ones for other images, stay as
    they were initialised.

    Args:
        model: The model, which is changed.
        source: A run folder, or a Keras file of a model of the package.

    Raises:
        UserError: If there is no such model, or nothing of it fits.
    """
    theirs = named_variables(_load(pathlib.Path(source)))
    taken, left = [], {}
    for name, variable in named_variables(model).items():
        other = theirs.get(name)
        if other is None:
            left[name] = "it has none there"
        elif tuple(other.shape) != tuple(variable.shape):
            left[name] = f"{list(variable.shape)}, there {list(other.shape)}"
        else:
            variable.assign(other.numpy())
            taken.append(name)
    if not taken:
        raise UserError(
            "Nothing of the other model fits: take one of the same kind, with "
            "layers of the same sizes, or leave --init_from out. "
            f"Received: --init_from={source}"
        )
    return TakenWeights(str(source), tuple(taken), left)


def _load(source: pathlib.Path) -> keras.Model:
    try:
        if source.suffix != ".keras":
            return load_trained(source).model
        if source.exists():
            check_whole(source)
    except UserError as error:
        words = str(error).replace("--workdir=", "--init_from=")
        raise UserError(words) from error
    try:
        return keras.saving.load_model(source, compile=False)
    except (OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(
            "There is no model of the package that can be loaded: name a run "
            f"folder, or its model.keras. Received: --init_from={source} "
            f"({reason})"
        ) from error


def _initialize_prior(
    prior: Prior, split: Split, preparation: Preparation
) -> None:
    """Gives a new prior the training images that it starts from."""
    batches = evaluation_batches(
        split,
        batch_size=EVALUATION_BATCH_SIZE,
        binarization=preparation.binarization,
        dequantization=preparation.dequantization,
        num_images=min(prior.num_initial_examples, split.num_images),
        num_bits=preparation.num_bits,
        seed=preparation.seed,
    )
    prior.initialize(np.concatenate([batch.numpy() for batch in batches]))


def _mean_image(split: Split, num_bits: int) -> np.ndarray:
    """Returns the mean of (some of) the images in [0, 1], `[H, W, C]`."""
    batches = evaluation_batches(
        split,
        batch_size=EVALUATION_BATCH_SIZE,
        binarization="none",
        num_images=min(split.num_images, _IMAGES_FOR_MEAN),
        num_bits=num_bits,
    )
    total = sum(tf.reduce_sum(batch, axis=0) for batch in batches)
    return (total / min(split.num_images, _IMAGES_FOR_MEAN)).numpy()
