"""`TrainedRun`: the model of a run, and all that can be done with it."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_vae.conditional.observation import MaskedPixels
from keras_vae.conditional.posterior_sampling import (
    ChainConfig,
    PosteriorDraws,
    sample_posterior,
)
from keras_vae.data import ImageDataset
from keras_vae.errors import UserError
from keras_vae.evaluation import (
    EvaluationConfig,
    ImageScores,
    evaluate,
    image_scores,
)
from keras_vae.labels import Label, label_rows
from keras_vae.models import GenerativeModel
from keras_vae.models.abilities import check_can
from keras_vae.models.conditions import conditions, parse_labels
from keras_vae.serving.export import export
from keras_vae.serving.setting_checks import whole_number
from keras_vae.serving.succession import (
    check_default_export_dir,
    default_export_dir,
)
from keras_vae.training import ExperimentConfig, Preparation, TrainedModel
from keras_vae.use.images import missing_pixels, prepared
from keras_vae.use.model_target import ModelTarget
from keras_vae.use.row_classes import classes_in_turn
from keras_vae.use.sample import sample_batches
from keras_vae.use.target import answered

__all__ = ["Latents", "TrainedRun"]

_MAX_NUMBER = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class Latents:
    """The posterior q(z|x) of images, float32 `[num_images, D]` each.

    Attributes:
        mean: Its mean; the code of a plain autoencoder.
        stddev: Its standard deviations; None for a plain autoencoder.
    """

    mean: np.ndarray
    stddev: np.ndarray | None = None


class TrainedRun:
    """The model of a run, with the verbs of `apps/generate.py` as methods.

    They return arrays, and the apps are the same functions plus files. What a
    model cannot do says so. Images are uint8 levels `[num, H, W, C]`, as files
    and datasets have them, and prepared as in training; or float32 in [0, 1],
    as the model takes them, and left alone. A conditional model wants `label`:
    the class of all images, or of each, by name or number.

    Args:
        trained: What `load_trained` or `train` returned.
        dataset: The images of the run, where they are loaded already.

    Attributes:
        model: The Keras model, in float32, with its averaged weights.
        experiment: What it was trained on, and how.
        preparation: What `auto` stood for there.
        weights: Whether its weights are the `last` or the `best` ones.
        step: The training steps that they had.
    """

    def __init__(
        self, trained: TrainedModel, dataset: ImageDataset | None = None
    ):
        self._trained = trained
        # Traced once.
        self._target = ModelTarget(trained)
        self._dataset = dataset

    def __repr__(self) -> str:
        return (
            f"<TrainedRun of {self.experiment.model.name} on "
            f"{self.experiment.data.dataset}, {self.weights} weights, of step "
            f"{self.step:,}: {self._trained.place or 'model.keras'}>"
        )

    @property
    def model(self) -> GenerativeModel:
        return self._trained.model

    @property
    def experiment(self) -> ExperimentConfig:
        return self._trained.experiment

    @property
    def preparation(self) -> Preparation:
        return self._trained.preparation

    @property
    def weights(self) -> str:
        return self._trained.weights

    @property
    def step(self) -> int:
        return self._trained.step

    def sample(
        self,
        num_images: int = 64,
        seed: int = 0,
        *,
        temperature: float | Sequence[float] = 1.0,
        label: Label | None = None,
        pixels: str = "mean",
    ) -> np.ndarray:
        """Draws new images; image i is a function of `[seed, i]` alone.

        Args:
            num_images: How many.
            seed: 0 ... 2**31 - 1.
            temperature: Multiplies the prior's standard deviation; of a
                hierarchical model one number for each group is possible.
            label: Classes that are taken in turn; all unless given.
            pixels: The `mean` of p(x|z), or a `draw` from it.

        Returns:
            images: float32 `[num_images, H, W, C]` in [0, 1].

        Raises:
            UserError: If the model has no likelihood, or not these classes, or
                a number is not as said above.
        """
        whole_number("num_images", num_images, 1, _MAX_NUMBER)
        labels = classes_in_turn(self._target, label, num_images)
        batches = sample_batches(
            self._target, num_images, seed, temperature, labels, pixels=pixels
        )
        return np.concatenate(list(batches))

    def encode(self, images: np.ndarray, label: Label | None = None) -> Latents:
        """Returns mean and standard deviation of q(z|x), `[num, D]` each."""
        answer = self._ask("encode", images, label)
        # Those of a plain autoencoder are codes.
        return Latents(*answer.values())

    def reconstruct(
        self, images: np.ndarray, label: Label | None = None
    ) -> np.ndarray:
        """Returns what the model makes of images, in [0, 1] as they are."""
        return self._ask("reconstruct", images, label)["reconstruction"]

    def decode(self, z: np.ndarray, label: Label | None = None) -> np.ndarray:
        """Returns images `[num, H, W, C]` of latents `[num, D]`, float32."""
        self._target.check_can("decode")
        z = np.asarray(z, np.float32)
        if z.ndim != 2 or z.shape[1] != self.model.latent_dim or not len(z):
            raise ValueError(
                f"`z` must be [num, {self.model.latent_dim}], 1 row at least. "
                f"Received: {list(z.shape)}"
            )
        if not np.isfinite(z).all():
            raise ValueError(
                "`z` must hold finite numbers. "
                f"Received: {z[~np.isfinite(z)][0]}"
            )
        labels = self._labels(label, len(z))
        return answered(self._target, "decode", _inputs("z", z, labels))[
            "image"
        ]

    def score(
        self,
        images: np.ndarray,
        label: Label | None = None,
        *,
        num_importance_samples: int = 100,
        seed: int = 0,
    ) -> ImageScores:
        """Returns bounds on log p(x) of each image, and its squared error.

        Args:
            images: uint8 levels, or float32 as the model takes them.
            label: Their classes; without them a conditional model takes the
                mixture of its classes.
            num_importance_samples: K; 1 takes the ELBO alone.
            seed: Of the draws, and of the images' noise; 0 ... 2**31 - 1.
        """
        whole_number("seed", seed, 0, _MAX_NUMBER)
        found = prepared(images, self._trained, seed=seed, dequantize=True)
        labels = None
        if label is not None:
            labels = label_rows(parse_labels(self.model, label), len(found))
        return image_scores(
            self.model, found, num_importance_samples, seed, labels=labels
        )

    def impute(
        self,
        images: np.ndarray,
        mask: np.ndarray,
        label: Label | None = None,
        *,
        chains: ChainConfig | None = None,
    ) -> PosteriorDraws:
        """Draws the missing pixels from p(x_missing | x_observed).

        Args:
            images: uint8 levels, or float32 as the model takes them. What is
                missing makes no difference to the draws, and floats may be
                anything there: where one is NaN, so is `log_missing`, as there
                is no truth to have a probability.
            mask: What is missing: truth values, or 0 and 1, `[H, W]` or
                `[num, H, W]` of the model's images.
            label: Their classes.
            chains: How to draw, and from which seed.

        Returns:
            Draws, whose images are in [0, 1].

        Raises:
            ValueError: If the mask is not of the images' size, or hides all of
                an image, or nothing.
            UserError: If the model cannot be sampled so.
        """
        check_can(self.model, "impute")
        chains = chains or ChainConfig()
        height, width, _ = self.model.image_shape
        missing = missing_pixels(mask, (*np.shape(images)[:1], height, width))
        found, labels = self._take(
            images, label, chains.seed, dequantize=True, missing=missing
        )
        shown = np.where(missing[..., np.newaxis], np.float32(0), found)
        guess = np.mean(self.sample(100, chains.seed, label=label), axis=0)
        known = MaskedPixels(shown, missing.astype(np.float32))
        draws = sample_posterior(
            self.model, known, found, guess, chains, labels=labels
        )
        return draws.as_images()

    def evaluate(self, **settings: Any) -> dict[str, Any]:
        """Evaluates the model on a split of the run's images.

        Args:
            **settings: Those of `EvaluationConfig`.

        Returns:
            `{split: {name: figure}}`, as `results.json` keeps them.
        """
        config = EvaluationConfig(**settings)
        return evaluate(self._trained, config, dataset=self._dataset)

    def export(
        self,
        export_dir: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> pathlib.Path:
        """Exports the model as the next version in a folder.

        Args:
            export_dir: The model's folder; unless given
                `saved_models/<name of the run folder>`.
            **options: `keep_versions`, `pixels` and `replace` of
                `serving.export`.

        Returns:
            The version folder.
        """
        if export_dir is None:
            folder = self._trained.folder
            if folder is None:
                raise UserError(
                    "export_dir must be given: the model is not that of a run "
                    "folder, whose name an export has. Received: None"
                )
            if not options.get("replace"):
                check_default_export_dir(folder.path)
            export_dir = default_export_dir(folder.path)
        return export(self._trained, export_dir, **options)

    def _take(
        self,
        images: np.ndarray,
        label: Label | None,
        seed: int = 0,
        *,
        dequantize: bool = False,
        missing: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns images as the model takes them, and their classes."""
        found = prepared(
            images,
            self._trained,
            seed=seed,
            dequantize=dequantize,
            missing=missing,
        )
        return found, self._labels(label, len(found))

    def _labels(self, label: Label | None, num: int) -> np.ndarray | None:
        labels = None
        if label is not None:
            labels = label_rows(parse_labels(self.model, label), num)
        conditions(self.model, labels)  # Raises where it must.
        return labels

    def _ask(
        self, verb: str, images: np.ndarray, label: Label | None
    ) -> dict[str, np.ndarray]:
        """Returns what a verb answers to images."""
        self._target.check_can(verb)
        found, labels = self._take(images, label)
        return answered(self._target, verb, _inputs("image", found, labels))


def _inputs(
    name: str, rows: np.ndarray, labels: np.ndarray | None
) -> dict[str, np.ndarray]:
    return {name: rows} if labels is None else {name: rows, "label": labels}
