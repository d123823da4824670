"""`TrainedRun`: the model of a run, and all that can be done with it."""

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
from keras_vae.config import PIXELS, check_choice, check_number
from keras_vae.data import ImageDataset
from keras_vae.errors import UserError
from keras_vae.evaluation import (
    EvaluationConfig,
    ImageScores,
    Latents,
    encode_images,
    evaluate,
    image_scores,
)
from keras_vae.labels import Label, label_rows
from keras_vae.models import GenerativeModel
from keras_vae.models.abilities import check_can
from keras_vae.models.conditions import conditions, parse_labels
from keras_vae.serving.export import export
from keras_vae.serving.succession import (
    check_default_export_dir,
    default_export_dir,
)
from keras_vae.training import ExperimentConfig, Preparation, TrainedModel
from keras_vae.use.images import missing_pixels, prepared
from keras_vae.use.reconstruct import reconstruct_images
from keras_vae.use.sample import (
    check_seeds,
    check_temperature,
    sample_batches,
)

__all__ = ["TrainedRun"]


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
        check_can(self.model, "sample")
        check_choice("pixels", pixels, PIXELS)
        check_seeds(num_images, seed)
        scales = check_temperature(self.model, temperature)
        classes = list(range(self.model.num_classes)) or None
        if label is not None:
            classes = parse_labels(self.model, label)
        rows = classes and label_rows(classes, num_images, repeat=True)
        batches = sample_batches(
            self.model, num_images, seed, scales, rows, pixels
        )
        return np.concatenate(list(batches))

    def encode(self, images: np.ndarray, label: Label | None = None) -> Latents:
        """Returns mean and standard deviation of q(z|x), `[num, D]` each."""
        check_can(self.model, "encode")
        found, labels = self._take(images, label)
        return encode_images(self.model, found, labels)

    def reconstruct(
        self, images: np.ndarray, label: Label | None = None
    ) -> np.ndarray:
        """Returns what the model makes of images, in [0, 1] as they are."""
        check_can(self.model, "reconstruct")
        found, labels = self._take(images, label)
        return reconstruct_images(self.model, found, labels)

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
        check_number("seed", seed, 0, whole=True, high=2**31 - 1)
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
        labels = None
        if label is not None:
            labels = label_rows(parse_labels(self.model, label), len(found))
        conditions(self.model, labels)  # Raises where it must.
        return found, labels
