"""From a dataset to a served model: train, evaluate, draw, export."""

import os
import pathlib
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vae import plotting, seeds
from keras_vae.data import ImageDataset, evaluation_batches, load
from keras_vae.evaluation import EvaluationConfig, evaluate, format_table
from keras_vae.models import VAE, GenerativeModel, latent_statistics, traverse
from keras_vae.serving.export import check_writable, export
from keras_vae.training import (
    ExperimentConfig,
    RunFolder,
    TrainResult,
    load_trained,
    resolve_data,
    train,
)

__all__ = ["draw_pictures", "run"]

_ROWS = 4
_COLUMNS = 8


def run(
    experiment: ExperimentConfig,
    workdir: str | os.PathLike[str],
    *,
    resume: bool = True,
    evaluation: EvaluationConfig | None = None,
    export_dir: str | os.PathLike[str] | None = None,
) -> TrainResult:
    """Trains, and at the end draws pictures, evaluates and exports.

    Args:
        experiment: Data, model and training.
        workdir: The run folder.
        resume: Whether to go on with a run that the folder holds.
        evaluation: What is evaluated on the test split; None for nothing.
        export_dir: The exported model's folder; None exports nothing.

    Returns:
        What `train` returned. After an interruption nothing else is done.

    Raises:
        UserError: If the experiment cannot be run as asked.
        DivergedError: If the loss is not finite.
    """
    if export_dir is not None:
        check_writable(export_dir)
    result = train(experiment, workdir, resume=resume)
    if result.interrupted:
        return result
    dataset = result.dataset
    for path in draw_pictures(workdir, dataset):
        print(f"wrote {path}")
    if evaluation is not None:
        print(format_table(evaluate(workdir, evaluation, dataset=dataset)))
        print(f"wrote {RunFolder(workdir).results}")
    if export_dir is not None:
        print(f"exported {export(workdir, export_dir)}")
    return result


def draw_pictures(
    workdir: str | os.PathLike[str], dataset: ImageDataset | None = None
) -> list[pathlib.Path]:
    """Draws what a trained model does into the run's `pictures` folder.

    Reconstructions beside test images; of a VAE also samples from the prior
    and traversals of the most informative latent dimensions. `test_images`
    gets some test images as files, to try the exported model on.

    Args:
        workdir: The run folder.
        dataset: The run's images, where they are loaded already.

    Returns:
        The paths of the PNG files.
    """
    model, experiment = load_trained(workdir)
    dataset = dataset or load(experiment.data)
    resolved = resolve_data(experiment.data, experiment.model)
    folder = RunFolder(workdir).pictures
    batches = evaluation_batches(
        dataset.splits["test"],
        batch_size=500,
        binarization=resolved["binarization"],
        dequantization="none",
        num_images=min(500, dataset.splits["test"].num_images),
    )
    images = next(iter(batches))
    for index, image in enumerate(images[:_COLUMNS]):
        path = folder / "test_images" / f"{index:03d}.png"
        plotting.save_png(path, image.numpy())
    paths = [_reconstructions(model, images, folder)]
    if isinstance(model, VAE):
        paths.append(_samples(model, folder))
        paths.append(_traversals(model, images, folder))
    return paths


def _save(path: pathlib.Path, images: Any, columns: int) -> pathlib.Path:
    grid = plotting.image_grid(np.asarray(images), columns)
    plotting.save_png(path, grid, zoom=2)
    return path


def _reconstructions(
    model: GenerativeModel, images: tf.Tensor, folder: pathlib.Path
) -> pathlib.Path:
    images = images[: _ROWS * _COLUMNS]
    pairs = tf.stack([images, model.reconstruct(images)], axis=1)
    pairs = tf.reshape(pairs, [-1, *model.image_shape])
    return _save(folder / "reconstructions.png", pairs, 2 * _COLUMNS)


def _samples(model: VAE, folder: pathlib.Path) -> pathlib.Path:
    seed = seeds.from_int(model.seed)
    samples = model.sample([_COLUMNS * _COLUMNS], seed)
    return _save(folder / "samples.png", samples, _COLUMNS)


def _traversals(
    model: VAE, images: tf.Tensor, folder: pathlib.Path
) -> pathlib.Path:
    batches = tf.data.Dataset.from_tensors(images)
    order = latent_statistics(model, batches).order[:_COLUMNS]
    traversal = traverse(model, images[:1], order)
    columns = traversal.shape[1]
    flat = traversal.reshape([-1, *model.image_shape])
    return _save(folder / "traversals.png", flat, columns)
