"""`score`: how usual each image is to a model, the most unusual first."""

import os
from typing import Any, TextIO

import numpy as np

from keras_vae.config import is_whole
from keras_vae.errors import UserError, did_you_mean
from keras_vae.evaluation.background import check_background
from keras_vae.evaluation.unusual import detections, unusualness
from keras_vae.io import outputs, sizes
from keras_vae.serving.client import Client
from keras_vae.training import TrainedModel
from keras_vae.use.model_target import ModelTarget
from keras_vae.use.score_report import (
    ScoreTable,
    format_report,
    write_report,
)
from keras_vae.use.score_table import write_score_table
from keras_vae.use.scored_images import ScoredImages
from keras_vae.use.source import (
    ImageSource,
)
from keras_vae.use.target import Target, target_of
from keras_vae.use.verb_outputs import check_output

__all__ = ["score"]

_SCORES = ("nll", "nll_ratio", "reconstruction_error")


def score(
    model: TrainedModel | Client | Target,
    source: ImageSource,
    output: str | os.PathLike[str],
    *,
    outliers: str | None = None,
    outliers_manual_dir: str | None = None,
    background: TrainedModel | None = None,
    num_importance_samples: int | None = None,
    sort_by: str | None = None,
    num_shown: int | None = None,
    stream: TextIO | None = None,
) -> outputs.Written:
    """Scores images, and says how well the scores find what is unusual.

    A CSV file, of any model, is a table of `elbo`, `log_likelihood` and
    `kl_divergence`, nats, in the order of the images. A folder is of the model
    of a run: it sorts them by scores that need more draws, or more models, than
    an export has.

    The scores of a folder, each higher for more unusual images:

    * `nll`: minus a bound on log p(x), nats: the ELBO with
      `num_importance_samples=1`, else the importance-weighted one; minus
      log p(x) itself where the model has it.
    * `nll_ratio`, with a background model: `nll` of the model minus that of
      the background, minus the log likelihood ratio of Ren et al. (2019).
    * `reconstruction_error`: squared error, summed over the image.

    In a folder the draws of an image depend on the seed and on the images
    beside it: beside others its scores differ, the more so the fewer the draws.
    In a CSV file they depend on the seed and its position alone.

    A likelihood can be higher for simpler images of another kind than for
    those that the model was trained on (Nalisnick et al. 2019): an image with
    a low `nll` need not be of the training data. The likelihood ratio is a
    remedy; a background model is trained with `--mutation_rate`.

    Args:
        model: The model of a run, or a client of an export.
        source: The images.
        output: A CSV file; or the folder to write: `scores.csv`,
            `scores.json`, `most_unusual.png`, and `histograms.png` if there
            are outliers. What follows is of a folder.
        outliers: A folder or file of images that are unusual, or the name of
            a dataset whose images are (its split is that of the source). They
            are prepared as the run's images.
        outliers_manual_dir: The archives of that dataset.
        background: A background model of images of the same size and
            preparation.
        num_importance_samples: K, draws for the bound on log p(x); 100
            unless given.
        sort_by: The score that sorts; None: `nll_ratio` if there is a
            background, else `nll`, else (of a plain autoencoder)
            `reconstruction_error`.
        num_shown: Images in the picture of the most unusual ones; 40 unless
            given.
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
    path = check_output("score", output)
    target = target_of(model)
    if path.suffix:
        _refuse(
            outliers=outliers,
            background=background and background.place,
            num_importance_samples=num_importance_samples,
            sort_by=sort_by,
            num_shown=num_shown,
        )
        return write_score_table(path, target, source, stream)
    if not isinstance(target, ModelTarget):
        raise UserError(
            "score writes a folder for the model of a run alone; of an export "
            f"it writes a .csv file. Received: --output={output}"
        )
    trained = target.trained
    num_importance_samples = _or(num_importance_samples, 100)
    num_shown = _or(num_shown, 40)
    _check_numbers(num_importance_samples, num_shown)
    names = _score_names(trained, background is not None)
    sort_by = _check_sorting(sort_by, names)
    if background is not None:
        check_background(background, trained)
    images = ScoredImages.load(trained, source, outliers, outliers_manual_dir)
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


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _refuse(**options: Any) -> None:
    """Raises UserError where an option of a folder of scores is given."""
    for name, value in options.items():
        if value is not None:
            raise UserError(
                f"{name} is of a folder of scores: name one, without a suffix, "
                f"as the output. Received: {name}={value}"
            )


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


def _check_finite(figures: dict[str, np.ndarray], images: ScoredImages) -> None:
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
    images: ScoredImages,
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
