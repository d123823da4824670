"""The images that `score` compares, and outliers among them."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import TextIO

import numpy as np

from keras_vae.data.image_dataset import NO_LABEL
from keras_vae.errors import UserError
from keras_vae.evaluation import ImageScores, image_scores
from keras_vae.models.conditions import conditions
from keras_vae.progress import ImageBar
from keras_vae.training import TrainedModel
from keras_vae.use.outliers import load_outliers
from keras_vae.use.source import (
    ImageSource,
    SourceImages,
)

__all__ = ["ScoredImages"]


@dataclasses.dataclass(frozen=True)
class ScoredImages:
    """The images to score, outliers last.

    Attributes:
        all: float32 `[num, H, W, C]`.
        names: Of each.
        labels: Of each, or None where they are not known.
        class_names: Name of each label, or None where they are not known.
        is_outlier: bool `[num]`.
        fixed: Whether all are taken to be of the class in `labels`.
    """

    all: np.ndarray
    names: list[str]
    labels: np.ndarray | None
    class_names: Sequence[str] | None
    is_outlier: np.ndarray
    fixed: bool

    @classmethod
    def load(
        cls,
        trained: TrainedModel,
        source: ImageSource,
        outliers: str | None,
        manual_dir: str | None,
    ) -> "ScoredImages":
        """Reads the images.

        Args:
            trained: The model that scores them.
            source: The images.
            outliers: As for `score`; None for none.
            manual_dir: The archives of the outliers' dataset.

        Raises:
            UserError: If there are too few of a kind, or one cannot be used.
        """
        parts: list[SourceImages] = [source.load(trained, dequantize=True)]
        if outliers is not None:
            parts.append(load_outliers(outliers, source, trained, manual_dir))
            for part, what in zip(parts, ("images", "outliers"), strict=True):
                if len(part.images) < 2:
                    raise UserError(
                        "AUROC needs at least two images of each kind. "
                        f"Received: 1 of the {what} ({part.names[0]})"
                    )
        labels = parts[0].labels
        counts = [len(part.images) for part in parts]
        fixed = parts[0].of_one_class
        if labels is not None:
            # The classes of another dataset are none of the model's.
            rest = labels[0] if fixed else NO_LABEL
            unknown = np.full(sum(counts[1:]), rest, np.int32)
            labels = np.concatenate([labels, unknown])
        return cls(
            all=np.concatenate([part.images for part in parts]),
            names=[name for part in parts for name in part.names],
            labels=labels,
            class_names=parts[0].class_names,
            is_outlier=np.repeat([False, True][: len(parts)], counts),
            fixed=fixed,
        )

    def mixed(self, trained: TrainedModel) -> bool:
        """Whether the mixture of a model's classes scores the images.

        It does where there are outliers: an image of unknown origin has no
        class, and the class would tell which are the inliers.
        """
        conditional = trained.model.num_classes > 0
        return conditional and bool(self.is_outlier.any()) and not self.fixed

    def passes(self, trained: TrainedModel) -> int:
        """Returns how often a model scores each image."""
        return trained.model.num_classes if self.mixed(trained) else 1

    def score(
        self,
        models: list[TrainedModel],
        k: int,
        seed: int,
        stream: TextIO | None,
    ) -> list[ImageScores]:
        """Returns the scores by each of the models.

        Args:
            models: The models.
            k: Draws for the bound on log p(x).
            seed: Of the draws.
            stream: Where progress is shown; standard error if None.
        """
        for trained in models:
            if not self.mixed(trained):
                conditions(trained.model, self.labels)  # Raises where it must.
        total = len(self.all) * sum(map(self.passes, models))
        scores, before = [], 0
        with ImageBar(total, "scored", stream) as bar:
            for trained in models:
                given = trained.model.num_classes and not self.mixed(trained)
                scores.append(
                    image_scores(
                        trained.model,
                        self.all,
                        k,
                        seed,
                        labels=self.labels if given else None,
                        progress=functools.partial(bar.reach, after=before),
                    )
                )
                before += len(self.all) * self.passes(trained)
        return scores
