"""From a dataset to a served model: train, evaluate, draw, export."""

import os
import pathlib
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vae import plotting, seeds
from keras_vae.config import PIXELS, check_choice
from keras_vae.data import ImageDataset
from keras_vae.evaluation import EvaluationConfig, evaluate, format_table
from keras_vae.failures import translated, writing
from keras_vae.models import (
    VAE,
    GenerativeModel,
    HierarchicalVAE,
    latent_statistics,
    resampled,
    traverse,
)
from keras_vae.networks.conditioning import Condition
from keras_vae.serving.export import export
from keras_vae.serving.metadata import describe
from keras_vae.serving.succession import check_succession
from keras_vae.serving.version_folders import (
    check_keep_versions,
    check_writable,
)
from keras_vae.training import (
    ExperimentConfig,
    RunFolder,
    TrainedModel,
    TrainResult,
    open_run_data,
    train,
)

__all__ = ["draw_pictures", "run"]

_ROWS = 4
_TEMPERATURES = (0.4, 0.6, 0.7, 0.8, 0.9, 1.0)
_COLUMNS = 8
_RESAMPLED, _RESAMPLED_DRAWS = 3, 4  # Images, and draws of each.


def run(
    experiment: ExperimentConfig,
    workdir: str | os.PathLike[str],
    *,
    resume: bool = True,
    init_from: str | os.PathLike[str] | None = None,
    accept_changed_data: bool = False,
    evaluation: EvaluationConfig | None = None,
    export_dir: str | os.PathLike[str] | None = None,
    keep_versions: int | None = None,
    pixels: str = "mean",
    replace: bool = False,
) -> TrainResult:
    """Trains, and at the end draws pictures, evaluates and exports.

    No other process can do so in the run folder meanwhile.

    Args:
        experiment: Data, model and training.
        workdir: The run folder.
        resume: Whether to go on with a run that the folder holds.
        init_from: A run folder or `model.keras` whose weights are the first.
        accept_changed_data: Whether to do so where the images are not those
            that it began with; see `open_run_data`.
        evaluation: What is evaluated on the test split; None for nothing.
        export_dir: The exported model's folder; None exports nothing.
        keep_versions: How many of its newest versions stay; None for all.
        pixels: What samples show, in pictures and in the export: the `mean` of
            p(x|z), or a `draw` from it.
        replace: Whether the export may follow a version that answers
            otherwise. Where it may not, nothing is trained.

    Returns:
        What `train` returned. After an interruption nothing else is done.

    Raises:
        UserError: If the experiment cannot be run as asked.
        DivergedError: If the loss is not finite.
    """
    check_choice("pixels", pixels, PIXELS)
    if export_dir is not None:
        check_keep_versions(keep_versions)
        check_writable(export_dir)

    def check_model(trained: TrainedModel) -> None:
        if export_dir is not None and not replace:
            check_succession(export_dir, describe(trained, pixels))

    with translated(), RunFolder(workdir).lock():
        result = train(
            experiment,
            workdir,
            resume=resume,
            init_from=init_from,
            accept_changed_data=accept_changed_data,
            check_model=check_model,
        )
        if result.interrupted:
            return result
        trained, dataset = result.trained, result.dataset
        for path in draw_pictures(trained, dataset, pixels):
            print(f"wrote {path}")
        if evaluation is not None:
            evaluate(
                trained,
                evaluation,
                dataset=dataset,
                show=lambda found: print(format_table(found), flush=True),
            )
            print(f"wrote {RunFolder(workdir).results.path}")
        if export_dir is not None:
            path = export(
                trained,
                export_dir,
                keep_versions=keep_versions,
                replace=replace,
                pixels=pixels,
            )
            print(f"exported {path}")
    return result


def draw_pictures(
    trained: TrainedModel,
    dataset: ImageDataset | None = None,
    pixels: str = "mean",
) -> list[pathlib.Path]:
    """Draws what a trained model does into the run's `pictures` folder.

    Reconstructions beside test images; of a VAE also samples from the prior
    and traversals of the most informative latent dimensions; of a hierarchical
    one samples, also by temperature and with one group at a time colder, what
    each group decides, and the KL of each group. `test_images` gets some test
    images as files, to try the exported model on.

    Args:
        trained: The model of a run.
        dataset: The run's images, where they are loaded already.
        pixels: What samples show of p(x|z), `mean` or `draw`; all else shows
            its mean.

    Returns:
        The paths of the PNG files.
    """
    assert trained.folder is not None
    dataset = open_run_data(
        trained.folder, trained.experiment.data, dataset
    ).dataset
    folder = trained.folder.pictures
    with writing(folder):
        return _draw(trained, dataset, folder, pixels)


def _draw(
    trained: TrainedModel,
    dataset: ImageDataset,
    folder: pathlib.Path,
    pixels: str,
) -> list[pathlib.Path]:
    model = trained.model
    batches = trained.preparation.evaluation_batches(
        dataset.splits["test"],
        batch_size=500,
        seed=0,
        num_images=min(500, dataset.splits["test"].num_images),
        with_labels=bool(model.num_classes),
        dequantize=False,
    )
    images, condition = model.unpack(next(iter(batches)))
    for index, image in enumerate(images[:_COLUMNS]):
        path = folder / "test_images" / f"{index:03d}.png"
        plotting.save_png(path, image.numpy())
    paths = [_reconstructions(model, images, condition, folder)]
    if model.group_shapes:
        paths.append(_samples(model, folder, pixels))
    if isinstance(model, VAE):
        paths.append(_traversals(model, images, condition, folder))
    if isinstance(model, HierarchicalVAE):
        paths += _hierarchy(model, images, condition, folder, pixels)
    return paths


def _save(path: pathlib.Path, images: Any, columns: int) -> pathlib.Path:
    grid = plotting.image_grid(np.asarray(images), columns)
    plotting.save_png(path, grid, zoom=2)
    return path


def _reconstructions(
    model: GenerativeModel,
    images: tf.Tensor,
    condition: Condition,
    folder: pathlib.Path,
) -> pathlib.Path:
    count = _ROWS * _COLUMNS
    images = images[:count]
    some = {key: value[:count] for key, value in condition.items()}
    pairs = tf.stack([images, model.reconstruct(images, **some)], axis=1)
    pairs = tf.reshape(pairs, [-1, *model.image_shape])
    return _save(folder / "reconstructions.png", pairs, 2 * _COLUMNS)


def _samples(
    model: GenerativeModel, folder: pathlib.Path, pixels: str
) -> pathlib.Path:
    seed = seeds.from_int(model.seed)
    columns = plotting.sample_columns(model.num_classes)
    count = columns * _COLUMNS
    samples = model.sample(
        [count], seed, pixels=pixels, **model.classes_in_turn(count)
    )
    return _save(folder / "samples.png", samples, columns)


def _traversals(
    model: VAE,
    images: tf.Tensor,
    condition: Condition,
    folder: pathlib.Path,
) -> pathlib.Path:
    batch = (images, *condition.values())
    order = latent_statistics(model, [batch]).order[:_COLUMNS]
    first = {key: value[:1] for key, value in condition.items()}
    traversal = traverse(model, images[:1], order, **first)
    columns = traversal.shape[1]
    flat = traversal.reshape([-1, *model.image_shape])
    return _save(folder / "traversals.png", flat, columns)


def _hierarchy(
    model: HierarchicalVAE,
    images: tf.Tensor,
    condition: Condition,
    folder: pathlib.Path,
    pixels: str,
) -> list[pathlib.Path]:
    first = {key: value[:_RESAMPLED] for key, value in condition.items()}
    decided = resampled(model, images[:_RESAMPLED], _RESAMPLED_DRAWS, **first)
    columns = decided.shape[1]
    decided = decided.reshape([-1, *model.image_shape])
    statistics = latent_statistics(model, [(images, *condition.values())])
    chart = folder / "kl_by_group.png"
    plotting.save_bar_chart(
        chart,
        statistics.kl_by_group,
        [
            f"{index}: {'x'.join(map(str, shape))}"
            for index, shape in enumerate(model.group_shapes)
        ],
        title="KL divergence of each latent group, from the top down",
        value_label=f"nats per image, {images.shape[0]} test images",
        marked=statistics.collapsed_groups,
        mark_label="collapsed: below 0.1 nats",
    )
    return [
        _save(folder / "resampled_from_group.png", decided, columns),
        _save(
            folder / "samples_by_temperature.png",
            _by_temperature(model, [[t] for t in _TEMPERATURES], pixels),
            _COLUMNS,
        ),
        _save(
            folder / "samples_one_group_colder.png",
            _by_temperature(
                model, _one_colder(len(model.group_shapes)), pixels
            ),
            _COLUMNS,
        ),
        chart,
    ]


def _one_colder(num_groups: int) -> list[list[float]]:
    """Returns a temperature for each group: one of them at 0, then the next."""
    return [
        [float(other != group) for other in range(num_groups)]
        for group in range(num_groups)
    ]


def _by_temperature(
    model: HierarchicalVAE, temperatures: list[list[float]], pixels: str
) -> np.ndarray:
    """Returns a row of the same draws for each entry."""
    seed = seeds.from_int(model.seed)
    rows = [
        model.sample(
            [_COLUMNS],
            seed,
            t if len(t) > 1 else t[0],
            pixels=pixels,
            **model.classes_in_turn(_COLUMNS),
        ).numpy()
        for t in temperatures
    ]
    return np.concatenate(rows)
