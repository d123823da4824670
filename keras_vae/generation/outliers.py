"""What images are compared with: outliers, and a background model."""

import dataclasses
import pathlib

from keras_vae.config.data_config import IMAGE_FOLDER, canonical_name
from keras_vae.errors import UserError
from keras_vae.generation.source import (
    ImageSource,
    SourceImages,
)
from keras_vae.local_files import check_local
from keras_vae.training import TrainedModel

__all__ = ["check_background", "load_outliers"]

_PREPARATION = ("binarization", "dequantization")
_LEVELS = "discretized_logistic_mixture"


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


def check_background(background: TrainedModel, trained: TrainedModel) -> None:
    """Checks that the likelihood of a background model can be compared.

    Args:
        background: The background model.
        trained: The model whose likelihood is divided by its.

    Raises:
        UserError: If it has no likelihood, or one of other images: of another
            size or prepared in another way.
    """
    if not background.model.has_likelihood:
        raise UserError(
            "The background must be a model with a likelihood. "
            f"Received: {type(background.model).__name__} in {background.place}"
        )
    theirs, ours = _images_of(background), _images_of(trained)
    for name, value in ours.items():
        if theirs[name] != value:
            raise UserError(
                "The background model must be trained on images of the same "
                f"size and preparation: {name} must be {value}. "
                f"Received: {theirs[name]} in {background.place}"
            )


def _images_of(trained: TrainedModel) -> dict[str, str]:
    """Returns what determines the space of a model's images."""
    preparation = trained.preparation
    return {
        "image_shape": _size(trained.model.image_shape),
        **{name: getattr(preparation, name) for name in _PREPARATION},
        "num_bits": str(preparation.num_bits),
        "resize": str(preparation.resize),
        "pad": str(preparation.pad),
        # A probability of levels is not to be divided by a density.
        "probability of levels": str(preparation.likelihood == _LEVELS),
    }
