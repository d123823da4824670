"""`score`: how usual each image is to a model, the most unusual first."""

import dataclasses
import functools
import os
from collections.abc import Sequence
from typing import Any, TextIO

import numpy as np

from keras_vae.config import is_whole
from keras_vae.data.image_dataset import NO_LABEL
from keras_vae.errors import UserError, did_you_mean
from keras_vae.evaluation import ImageScores, image_scores
from keras_vae.evaluation.background import check_background
from keras_vae.evaluation.unusual import detections, unusualness
from keras_vae.io import outputs, sizes
from keras_vae.models.conditions import conditions
from keras_vae.progress import ImageBar
from keras_vae.training import TrainedModel
from keras_vae.use.outliers import load_outliers
from keras_vae.use.score_report import (
    ScoreTable,
    format_report,
    write_report,
)
from keras_vae.use.source import (
    ImageSource,
    SourceImages,
)

__all__ = ["score"]

_SCORES = ("nll", "nll_ratio", "reconstruction_error")


def score(
    trained: TrainedModel,
    source: ImageSource,
    output: str | os.PathLike[str],
    *,
    outliers: str | None = None,
    outliers_manual_dir: str | None = None,
    background: TrainedModel | None = None,
    num_importance_samples: int = 100,
    sort_by: str | None = None,
    num_shown: int = 40,
    stream: TextIO | None = None,
) -> outputs.Written:
    """Scores images, and says how well the scores find what is unusual.

    The scores, each higher for more unusual images:

    * `nll`: minus a bound on log p(x), nats: the ELBO with
      `num_importance_samples=1`, else the importance-weighted one; minus
      log p(x) itself where the model has it.
    * `nll_ratio`, with a background model: `nll` of the model minus that of
      the background, minus the log likelihood ratio of Ren et al. (2019).
    * `reconstruction_error`: squared error, summed over the image.

    A likelihood can be higher for simpler images of another kind than for
    those that the model was trained on (Nalisnick et al. 2019): an image with
    a low `nll` need not be of the training data. The likelihood ratio is a
    remedy; a background model is trained with `--mutation_rate`.

    Args:
        trained: The model of a run.
        source: The images.
        output: The folder to write: `scores.csv`, `scores.json`,
            `most_unusual.png`, and `histograms.png` if there are outliers.
        outliers: A folder or file of images that are unusual, or the name of
            a dataset whose images are (its split is that of the source). They
            are prepared as the run's images.
        outliers_manual_dir: The archives of that dataset.
        background: A background model of images of the same size and
            preparation.
        num_importance_samples: K, draws for the bound on log p(x).
        sort_by: The score that sorts; None: `nll_ratio` if there is a
            background, else `nll`, else (of a plain autoencoder)
            `reconstruction_error`.
        num_shown: Images in the picture of the most unusual ones.
        stream: Where progress is shown; standard error unless given.

    Returns:
        What was written, with AUROCs in the report and the figures.

    Raises:
        UserError: If the runs, the images or the output cannot be used.

    References:
        Nalisnick et al. (2019), Do deep generative models know what they
        don't know?; Ren et al. (2019), Likelihood ratios for
        out-of-distribution detection, equation 3.
    """
    path = outputs.check_suffix(output, ("",), "score")
    outputs.check_free_folder(path)
    _check_numbers(num_importance_samples, num_shown)
    names = _score_names(trained, background is not None)
    sort_by = _check_sorting(sort_by, names)
    if background is not None:
        check_background(background, trained)
    images = _Images.load(trained, source, outliers, outliers_manual_dir)
    sizes.check_picture(
        min(num_shown, len(images.all)),
        trained.model.image_shape,
        f"num_shown={num_shown}",
    )
    models = [trained] if background is None else [trained, background]
    seed = source.seed
    scores = images.score(models, num_importance_samples, seed, stream)
    figures = unusualness(*scores)
    _check_finite(figures, images)
    protocol = _protocol(trained, source, images, num_importance_samples)
    if outliers is not None:
        protocol["outliers"] = outliers
        protocol["num_outliers"] = int(np.sum(images.is_outlier))
    if background is not None:
        protocol["background"] = background.place
    table = ScoreTable(
        names=images.names,
        images=images.all,
        labels=images.labels,
        class_names=images.class_names,
        is_outlier=images.is_outlier if outliers is not None else None,
        scores=figures,
        bounds=scores[0].bounds,
        sort_by=sort_by,
        detections=detections(
            {name: figures[name] for name in names}, images.is_outlier
        ),
        protocol=protocol,
    )
    report = format_report(table)
    outputs.write_folder(
        path, lambda f: write_report(f, table, num_shown), report
    )
    return outputs.Written((path,), report, table.figures())


def _check_numbers(num_importance_samples: int, num_shown: int) -> None:
    for name, value in (
        ("num_importance_samples", num_importance_samples),
        ("num_shown", num_shown),
    ):
        if not (is_whole(value) and value >= 1):
            raise UserError(
                f"{name} must be at least 1, a whole number. "
                f"Received: {name}={value}"
            )


def _score_names(trained: TrainedModel, with_background: bool) -> list[str]:
    """Returns the names of the scores, the one that sorts first."""
    if not trained.model.has_likelihood:
        if with_background:
            raise UserError(
                "A likelihood ratio needs a likelihood, which a plain "
                "autoencoder has not: leave --background away. "
                f"Received: {type(trained.model).__name__}"
            )
        return ["reconstruction_error"]
    ratio = ["nll_ratio"] if with_background else []
    error = ["reconstruction_error"] if trained.model.has_latents else []
    return [*ratio, "nll", *error]


def _check_sorting(sort_by: str | None, names: list[str]) -> str:
    if sort_by is None:
        return names[0]
    if sort_by not in _SCORES:
        raise UserError(
            f"There is no such score. {did_you_mean(sort_by, _SCORES)} "
            f"Received: sort_by={sort_by}"
        )
    if sort_by not in names:
        why = "the model has no likelihood"
        if sort_by == "reconstruction_error":
            why = "the model has no latents to reconstruct from"
        if sort_by == "nll_ratio" and "nll" in names:
            why = "it needs --background=RUN_FOLDER"
        raise UserError(
            f"The images have no such score: {why}. Received: sort_by={sort_by}"
        )
    return sort_by


@dataclasses.dataclass(frozen=True)
class _Images:
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
    ) -> "_Images":
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
        """Returns the scores by each of the models, showing progress."""
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


def _check_finite(figures: dict[str, np.ndarray], images: _Images) -> None:
    for name, values in figures.items():
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise UserError(
                "A model gives an image a score that is not a finite number; "
                "its training may have diverged. Received: "
                f"{name}={values[bad[0]]} of {images.names[bad[0]]}"
            )


def _protocol(
    trained: TrainedModel,
    source: ImageSource,
    images: _Images,
    k: int,
) -> dict[str, Any]:
    height, width, channels = trained.model.image_shape
    data = trained.experiment.data
    protocol: dict[str, Any] = {
        "dataset": data.dataset,
        "split": None if source.inputs else source.split or "test",
        "inputs": list(source.inputs),
        "num_images": int(np.sum(~images.is_outlier)),
        **trained.preparation.protocol(),
        "num_bits": trained.preparation.num_bits,
        "num_dimensions": height * width * channels,
        "padding": trained.preparation.pad,
        "seed": source.seed,
    }
    if trained.model.has_likelihood:
        protocol["bound"] = "exact"
        if not trained.model.likelihood_is_exact:
            bound = "negative ELBO" if k == 1 else "importance-weighted"
            protocol |= {"bound": bound, "num_importance_samples": k}
    if trained.model.num_classes:
        mixed = images.mixed(trained)
        protocol["classes"] = "mixture of all" if mixed else "of each image"
    return protocol
