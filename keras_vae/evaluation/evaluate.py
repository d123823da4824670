"""`evaluate`: what a trained model is worth, each figure with its protocol."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, TextIO

import numpy as np
import tensorflow as tf

from keras_vae import seeds
from keras_vae.config import is_whole
from keras_vae.data import ImageDataset, Split
from keras_vae.errors import UserError
from keras_vae.evaluation.likelihood import likelihood_bounds
from keras_vae.models import GenerativeModel, latent_statistics
from keras_vae.notes import counted
from keras_vae.progress import ImageBar
from keras_vae.training import TrainedModel, open_run_data
from keras_vae.units import NATS, plus_minus

__all__ = ["EvaluationConfig", "evaluate", "format_table"]

_BATCH_SIZE = 100


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """What is evaluated.

    Attributes:
        split: `test`, `validation` or `train`.
        num_importance_samples: K of the importance-weighted bound; of no use
            to a model whose likelihood is exact.
        num_images: A seeded random subset of so many images; None: all.
        seed: Of the binarization, the subset and the draws.
    """

    split: str = "test"
    num_importance_samples: int = 1000
    num_images: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.split not in ("train", "validation", "test"):
            raise UserError(
                "split must be train, validation or test. "
                f"Received: split={self.split}"
            )
        for name in ("num_importance_samples", "num_images"):
            value = getattr(self, name)
            if value is not None and not (is_whole(value) and value >= 1):
                raise UserError(
                    f"{name} must be at least 1, a whole number. "
                    f"Received: {name}={value}"
                )
        if not (is_whole(self.seed) and 0 <= self.seed < 2**31):
            raise UserError(
                f"seed must be 0 ... 2147483647. Received: seed={self.seed}"
            )


def evaluate(
    trained: TrainedModel,
    config: EvaluationConfig | None = None,
    *,
    accept_changed_data: bool = False,
    dataset: ImageDataset | None = None,
    stream: TextIO | None = None,
    show: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Evaluates the model of a run and writes `results.json`.

    Args:
        trained: The model of a run; of one without a run folder nothing is
            written.
        config: What is evaluated.
        accept_changed_data: Whether to evaluate on images that are not those
            that the run began with; each figure then says how they differ.
        dataset: The run's images, where they are loaded already.
        stream: Where progress is shown; standard error unless given.
        show: Is given what is returned, before it is written.

    Returns:
        `{split: {name: figure}}`. The figures of a VAE are `elbo` and `nll`,
        the importance-weighted bound, both as negative log-likelihoods: lower
        is better; that of an autoencoder is `squared_error`. Where log p(x) is
        exact it is `nll`, for which nothing is drawn. The standard error of a
        single image is None.

    Raises:
        UserError: If the images are not those that the run began with.
        StorageError: If the results cannot be written.
    """
    config = config or EvaluationConfig()
    model, preparation = trained.model, trained.preparation
    data = open_run_data(
        trained.folder,
        trained.experiment.data,
        dataset,
        accept_changed_data=accept_changed_data,
    )
    split = data.dataset.splits[config.split]
    batches = preparation.evaluation_batches(
        split,
        batch_size=_BATCH_SIZE,
        seed=config.seed,
        num_images=config.num_images,
        with_labels=bool(model.num_classes),
    )
    protocol = _protocol(trained, config, split)
    last = _last_step(trained)
    if trained.step < last:
        protocol["last_step"] = last
    if model.num_classes:
        protocol["given"] = "class"
    if data.changes:
        protocol["data_changes"] = list(data.changes)

    if model.has_likelihood:
        with ImageBar(protocol["num_images"], "evaluated", stream) as bar:
            figures = _bounds(model, batches, config, protocol, bar)
    else:
        figures = {"squared_error": _squared_error(model, batches, protocol)}
    if model.has_prior:
        figures["latent"] = _latent(model, batches)
    results = {config.split: figures}
    if show is not None:
        show(results)
    if trained.folder is not None:
        trained.folder.results.add_evaluation(config.split, figures)
    return results


def _protocol(
    trained: TrainedModel, config: EvaluationConfig, split: Split
) -> dict[str, Any]:
    height, width, channels = split.image_shape
    return {
        "dataset": trained.experiment.data.dataset,
        "split": config.split,
        "num_images": config.num_images or split.num_images,
        **trained.preparation.protocol(),
        "num_bits": trained.preparation.num_bits,
        "num_dimensions": height * width * channels,
        "padding": trained.preparation.pad,
        "seed": config.seed,
        "step": trained.step,
        "weights": trained.weights,
    }


def _last_step(trained: TrainedModel) -> int:
    """Returns the training steps that were done, as far as the run says."""
    if trained.folder is None:
        return trained.last_step
    training: Any = trained.folder.results.load().get("training")
    done: Any = training.get("steps") if isinstance(training, dict) else None
    return max(trained.last_step, done if is_whole(done) else 0)


def _bounds(
    model: GenerativeModel,
    batches: tf.data.Dataset,
    config: EvaluationConfig,
    protocol: dict[str, Any],
    bar: ImageBar,
) -> dict[str, Any]:
    bounds = likelihood_bounds(
        model,
        batches,
        config.num_importance_samples,
        config.seed,
        progress=bar.reach,
    )
    if bounds.exact:
        figure = _figure(-bounds.log_likelihood, protocol)
        return {"nll": {**figure, "bound": "exact", **protocol}}
    k = config.num_importance_samples
    return {
        "elbo": {
            **_figure(-bounds.elbo, protocol),
            "bound": "negative ELBO",
            "num_importance_samples": 1,
            "num_draws": k,
            "log_likelihood": float(bounds.log_likelihood.mean()),
            "kl_divergence": float(bounds.kl_divergence.mean()),
            **protocol,
        },
        "nll": {
            **_figure(-bounds.importance_weighted, protocol),
            "bound": "importance-weighted",
            "num_importance_samples": k,
            **protocol,
        },
    }


def _figure(values: np.ndarray, protocol: dict[str, Any]) -> dict[str, Any]:
    """Returns the mean over images, its standard error, and bits/dimension.

    A density of images that are not dequantized is no code length, and there
    are no bits.
    """
    mean = float(values.mean())
    figure = {"nats_per_image": mean, "standard_error": _standard_error(values)}
    if protocol["unit"] == NATS:
        dimensions = protocol["num_dimensions"]
        figure["bits_per_dimension"] = mean / dimensions / math.log(2)
    return figure


def _standard_error(values: np.ndarray) -> float | None:
    if len(values) == 1:  # One image says nothing about the spread.
        return None
    return float(values.std(ddof=1) / math.sqrt(len(values)))


def _latent(model: GenerativeModel, batches: tf.data.Dataset) -> dict[str, Any]:
    statistics = latent_statistics(model, batches)
    figures: dict[str, Any] = {
        "active_units": statistics.active_units,
        "num_units": statistics.num_units,
        "latent_dim": model.latent_dim,
    }
    if len(model.group_shapes) == 1:
        kl = statistics.kl_by_dimension
        figures["kl_by_dimension"] = [round(float(v), 4) for v in kl]
        return figures
    groups = zip(model.group_shapes, statistics.kl_by_group, strict=True)
    figures["groups"] = [
        {"shape": list(shape), "kl_divergence": round(float(kl), 4)}
        for shape, kl in groups
    ]
    figures["collapsed_groups"] = statistics.collapsed_groups
    return figures


def _squared_error(
    model: GenerativeModel, batches: tf.data.Dataset, protocol: dict[str, Any]
) -> dict[str, Any]:
    seed = seeds.from_int(model.seed)  # An autoencoder draws nothing.

    @tf.function(autograph=False, reduce_retracing=True)
    def errors(image: tf.Tensor) -> tf.Tensor:
        """Those of the loss, of what no picture has cut to [0, 1]."""
        inference = model.infer(image, model.encode(image), seed)
        return model.metric_values(inference)["squared_error"]

    values = np.concatenate([errors(image).numpy() for image in batches])
    mean = float(values.mean())
    return {
        "squared_error_per_image": mean,
        "mean_squared_error": mean / protocol["num_dimensions"],
        "standard_error": _standard_error(values),
        **protocol,
    }


def format_table(results: dict[str, Any]) -> str:
    """Returns the figures of `evaluate` as a table for people."""
    lines = []
    for split, figures in results.items():
        for name, figure in figures.items():
            if "nats_per_image" in figure:
                lines.append(_line(split, name, figure))
            elif "squared_error_per_image" in figure:
                lines.append(
                    f"{split:<11}{'squared error':<21}"
                    f"{_mean(figure, 'squared_error_per_image')} per image "
                    f"({_images(figure)})"
                )
            elif "active_units" in figure:
                if figure["active_units"] is not None:
                    lines.append(
                        f"{split:<11}{'active units':<21}"
                        f"{figure['active_units']:>10} of "
                        f"{figure['num_units']}"
                    )
                lines += _group_lines(split, figure)
    return "\n".join(lines)


def _group_lines(split: str, figure: dict[str, Any]) -> list[str]:
    """Returns the KL of each latent group, the collapsed ones marked."""
    lines = []
    for index, group in enumerate(figure.get("groups", [])):
        label = f"KL of group {index}"
        shape = "x".join(map(str, group["shape"]))
        note = ""
        if index in figure["collapsed_groups"]:
            note = "  collapsed: it says nothing about an image"
        lines.append(
            f"{split:<11}{label:<21}{group['kl_divergence']:>10.3f} nats/image"
            f"  ({shape}){note}"
        )
    return lines


def _line(split: str, name: str, figure: dict[str, Any]) -> str:
    label = "-ELBO"
    if name == "nll":
        label = "NLL (exact)"
        if "num_importance_samples" in figure:
            label = f"NLL (IW, K={figure['num_importance_samples']:,})"
    how = f"{figure['binarization']} binarization, seed {figure['seed']}"
    if figure["binarization"] == "none":
        how = (
            f"{figure['num_bits']}-bit, dequantization "
            f"{figure['dequantization']}"
        )
    if "given" in figure:
        how += f", given the {figure['given']}"
    unit = figure["unit"].replace(" per ", "/")
    bits = ""
    if "bits_per_dimension" in figure:
        bits = f"{figure['bits_per_dimension']:.4f} bits/dim  "
    return (
        f"{split:<11}{label:<21}{_mean(figure, 'nats_per_image')} {unit}  "
        f"{bits}({_images(figure)}, {how})"
    )


def _mean(figure: dict[str, Any], name: str) -> str:
    return f"{figure[name]:>10.3f}{plus_minus(figure['standard_error'], 3)}"


def _images(figure: dict[str, Any]) -> str:
    """Returns how many images of what; and the step of an earlier model."""
    text = f"{counted(figure['num_images'], 'image')} of {figure['dataset']}"
    if "last_step" in figure:
        text += f", at step {figure['step']:,} of {figure['last_step']:,}"
    return text
