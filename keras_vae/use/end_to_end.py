"""From a dataset to a served model: train, evaluate, draw, export."""

import os
import pathlib

from keras_vae import plotting
from keras_vae.config import PIXELS, check_choice
from keras_vae.data import ImageDataset
from keras_vae.evaluation import EvaluationConfig, evaluate, format_table
from keras_vae.io.failures import translated, writing
from keras_vae.models import (
    LatentStatistics,
    latent_statistics,
)
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

_NUM_TEST_IMAGES = 8


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

    What there is to draw the model says, see `GenerativeModel.pictures`; of a
    hierarchy also the KL of each group. `test_images` gets some test images as
    files, to try the exported model on.

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
    for index, image in enumerate(images[:_NUM_TEST_IMAGES]):
        path = folder / "test_images" / f"{index:03d}.png"
        plotting.save_png(path, image.numpy())
    statistics = None
    if model.has_prior:
        batch = (images, *condition.values())
        statistics = latent_statistics(model, [batch])
    paths = []
    for picture in model.pictures(images, condition, statistics, pixels):
        paths.append(folder / f"{picture.name}.png")
        grid = plotting.image_grid(picture.images, picture.columns)
        plotting.save_png(paths[-1], grid, zoom=2)
    if statistics is not None and len(statistics.group_shapes) > 1:
        paths.append(folder / "kl_by_group.png")
        _kl_by_group(paths[-1], statistics, len(images))
    return paths


def _kl_by_group(
    path: pathlib.Path, statistics: LatentStatistics, num_images: int
) -> None:
    plotting.save_bar_chart(
        path,
        statistics.kl_by_group,
        [
            f"{index}: {'x'.join(map(str, shape))}"
            for index, shape in enumerate(statistics.group_shapes)
        ],
        title="KL divergence of each latent group, from the top down",
        value_label=f"nats per image, {num_images} test images",
        marked=statistics.collapsed_groups,
        mark_label="collapsed: below 0.1 nats",
    )
