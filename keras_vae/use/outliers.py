"""Images that others are compared with."""

import dataclasses
import pathlib

from keras_vae.config.data_config import IMAGE_FOLDER, canonical_name
from keras_vae.errors import UserError
from keras_vae.io.local_files import check_local
from keras_vae.training import TrainedModel
from keras_vae.use.source import (
    ImageSource,
    SourceImages,
)

__all__ = ["load_outliers"]


def load_outliers(
    outliers: str,
    source: ImageSource,
    trained: TrainedModel,
    manual_dir: str | None = None,
) -> SourceImages:
    """Reads images that are unusual, prepared as those of the run.

    Args:
        outliers: A folder or file of images; where there is none, the name of
            a dataset.
        source: The images that they are compared with; of a dataset the same
            split is taken, and at most as many images.
        trained: The model and how its images are prepared.
        manual_dir: The archives of the dataset.

    Raises:
        UserError: If there are no such images, or the model cannot take them.
    """
    if check_local("outliers", outliers).expanduser().exists():
        if manual_dir is not None:
            raise UserError(
                "--outliers_manual_dir is of a dataset, and --outliers is a "
                f"folder. Received: {manual_dir} and {outliers}"
            )
        path = str(pathlib.Path(outliers).expanduser())
        files = ImageSource((path,), seed=source.seed)
        return files.load(trained, dequantize=True)
    data = trained.experiment.data
    if _canonical(outliers) == data.dataset and not source.inputs:
        raise UserError(
            "The outliers must be another dataset than the run's. "
            f"Received: --outliers={outliers}"
        )
    data_dir = source.data_dir or data.data_dir
    if data.dataset == IMAGE_FOLDER:
        data_dir = None  # It holds the run's images.
    try:
        changed = dataclasses.replace(
            data,
            dataset=outliers,
            data_dir=data_dir,
            manual_dir=manual_dir,
            validation_size=None,
        )
        experiment = dataclasses.replace(trained.experiment, data=changed)
        images = ImageSource(split=source.split, seed=source.seed).load(
            dataclasses.replace(trained, experiment=experiment, folder=None),
            default_num_images=source.num_images,
            dequantize=True,
        )
    except UserError as error:
        raise UserError(
            "--outliers must be a folder of images or the name of a dataset, "
            f"and {outliers} could not be loaded as one: {error}"
        ) from error
    shape, expected = images.images.shape[1:], trained.model.image_shape
    if shape != expected:
        raise UserError(
            "The outliers do not have the size of the model's images: give a "
            "folder of them, or train with --resize. Received: "
            f"{_size(shape)} of {outliers}, not {_size(expected)}"
        )
    names = [f"{outliers}/{name}" for name in images.names]
    return dataclasses.replace(images, names=names)


def _canonical(name: str) -> str | None:
    """Returns a dataset's name in its one spelling; None where it is none."""
    try:
        return canonical_name(name)
    except UserError:
        return None


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
