"""A trained run, and images prepared as it was trained on them."""

import dataclasses
import math
import pathlib
from collections.abc import Sequence

import numpy as np

from keras_vae.config import check_bool, check_number
from keras_vae.data import (
    ArraySplit,
    ImageDataset,
    Split,
    find_image_files,
    inspect_images,
)
from keras_vae.errors import UserError
from keras_vae.io import sizes
from keras_vae.labels import (
    FOLDERS,
    NO_CLASS,
    Label,
    folder_classes,
    label_rows,
    no_folder_class,
)
from keras_vae.models.conditions import conditions, parse_labels
from keras_vae.training import TrainedModel, open_run_data
from keras_vae.use.image_rows import (
    ImageRows,
    check_file_size,
    fitted,
    rows_of_files,
)
from keras_vae.use.model_target import ModelTarget
from keras_vae.use.target import Target

__all__ = ["ImageSource", "SourceImages"]

_BATCH_SIZE = 256
_SPLITS = ("train", "validation", "test")
_MAX_SEED = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class SourceImages:
    """Images, prepared as a model was trained on them.

    Attributes:
        images: float32 `[num, height, width, channels]` in [0, 1]; 0 or 1
            where the model was trained on binarized images.
        labels: int32 `[num]`, or None where they are not known.
        names: Path of each file; `split/position` of each image of a dataset
            whose images are no files of their own.
        class_names: Name of each label, or None where they are not known.
        of_one_class: Whether one class was named for all of them.
    """

    images: np.ndarray
    labels: np.ndarray | None
    names: list[str]
    class_names: Sequence[str] | None = None
    of_one_class: bool = False


@dataclasses.dataclass(frozen=True)
class ImageSource:
    """Where images come from: files, or a split of the run's dataset.

    Attributes:
        inputs: Image files and folders of them; if there are any, the dataset
            is not opened.
        split: `train`, `validation` or `test`; None is `test`.
        num_images: A seeded random subset of so many images of the split.
        seed: Of the subset and of the binarization.
        data_dir: Where the dataset lies now; None: as in training.
        manual_dir: Where its archives lie now; None: as in training.
        label: For a conditional model the class of all the images, or of each,
            as `keras_vae.labels.class_numbers` reads it; None: as the dataset,
            or the name of each file's folder, says; `"folders"`: the latter,
            and it must be one.
        accept_changed_data: Whether the dataset may have changed since the run
            began; its images then keep the split that they had.

    Raises:
        UserError: If a value is not possible.
    """

    inputs: Sequence[str] = ()
    split: str | None = None
    num_images: int | None = None
    seed: int = 0
    data_dir: str | None = None
    manual_dir: str | None = None
    label: Label | None = None
    accept_changed_data: bool = False

    def __post_init__(self) -> None:
        if self.split is not None and self.split not in _SPLITS:
            raise UserError(
                "split must be train, validation or test. "
                f"Received: split={self.split}"
            )
        if self.num_images is not None:
            check_number("num_images", self.num_images, 1, whole=True)
        check_number("seed", self.seed, 0, whole=True, high=_MAX_SEED)
        check_bool("accept_changed_data", self.accept_changed_data)
        if self._says_folders and not self.inputs:
            raise UserError(
                "label must be classes; folders name them where files are "
                f"named. Received: label={FOLDERS}"
            )
        for name in ("split", "num_images"):
            if self.inputs and getattr(self, name) is not None:
                raise UserError(
                    f"{name} is of the run's dataset, which is not used where "
                    "files are named. Received: "
                    f"{name}={getattr(self, name)} and {self.inputs[0]}"
                )

    def load(
        self,
        trained: TrainedModel,
        *,
        default_num_images: int | None = None,
        dequantize: bool = False,
    ) -> SourceImages:
        """Reads the images and prepares them for a model.

        Args:
            trained: The model and what it was trained on.
            default_num_images: How many images of the split where
                `num_images` is None; None for all.
            dequantize: Whether images of grey levels get the noise of
                training. It belongs to a likelihood, not to a picture.

        Raises:
            UserError: If there is no image, or one cannot be used.
        """
        if self.inputs:
            split, names = self._from_files(trained)
            num_images = None
            class_names = list(trained.model.class_names) or None
        else:
            dataset = self.dataset(trained)
            split = dataset.splits[self.split or "test"]
            class_names = dataset.class_names
            num_images = self.num_images
            if num_images is None and default_num_images is not None:
                num_images = min(default_num_images, split.num_images)
            names = _chosen(
                self._names(trained, dataset), num_images, self.seed
            )
        _check_memory(len(names), trained)
        batches = trained.preparation.evaluation_batches(
            split,
            batch_size=_BATCH_SIZE,
            seed=self.seed,
            num_images=num_images,
            with_labels=True,
            dequantize=dequantize,
        )
        parts = [(i.numpy(), k.numpy()) for i, k in batches]
        images = np.concatenate([i for i, _ in parts])
        labels = np.concatenate([k for _, k in parts]).astype(np.int32)
        given = self._given_classes(trained)
        if given is not None:
            labels = label_rows(given, len(labels))
        known = given is not None or split.has_labels
        return SourceImages(
            images,
            labels if known else None,
            names,
            class_names,
            of_one_class=given is not None and len(given) == 1,
        )

    def rows(
        self, target: Target, *, default_num_images: int | None = None
    ) -> ImageRows:
        """Returns the images as they are asked about, one by one.

        Files are read as they are needed, and are as they are but for their
        size; those of a split are prepared as in training.

        Args:
            target: What is asked; of a split the model of the run.
            default_num_images: As for `load`.

        Raises:
            UserError: If there is no image, or one cannot be used.
        """
        if self.inputs or not isinstance(target, ModelTarget):
            return rows_of_files(target, self.inputs, self.label)
        trained = target.trained
        found = self.load(trained, default_num_images=default_num_images)
        conditions(trained.model, found.labels)  # Raises where it must.
        return ImageRows(
            found.names,
            lambda start, stop: found.images[start:stop],
            found.labels,
            found.class_names,
        )

    def dataset(self, trained: TrainedModel) -> ImageDataset:
        """Returns the run's dataset, from where it lies now.

        Raises:
            UserError: If it cannot be read, or has changed.
        """
        places = {
            name: getattr(self, name)
            for name in ("data_dir", "manual_dir")
            if getattr(self, name) is not None
        }
        config = dataclasses.replace(trained.experiment.data, **places)
        return open_run_data(
            trained.folder,
            config,
            accept_changed_data=self.accept_changed_data,
        ).dataset

    def _names(self, trained: TrainedModel, dataset: ImageDataset) -> list[str]:
        """Returns the name of each image of the split."""
        split = self.split or "test"
        if dataset.contents is not None and dataset.contents.splits:
            config = trained.experiment.data
            folder = pathlib.Path(str(self.data_dir or config.data_dir))
            return [
                str(folder.expanduser() / name)
                for name, its_split in dataset.contents.splits.items()
                if its_split == split
            ]
        count = dataset.splits[split].num_images
        return [f"{split}/{position}" for position in range(count)]

    def _given_classes(self, trained: TrainedModel) -> list[int] | None:
        """Returns the classes that `label` names; None to know the images'."""
        if self.label is None or self._asks_folders(trained):
            return None
        return parse_labels(trained.model, self.label)

    @property
    def _says_folders(self) -> bool:
        return isinstance(self.label, str) and self.label == FOLDERS

    def _asks_folders(self, trained: TrainedModel) -> bool:
        # A class may have that name.
        names = trained.model.class_names
        return bool(names) and self._says_folders and FOLDERS not in names

    def _from_files(self, trained: TrainedModel) -> tuple[Split, list[str]]:
        paths = find_image_files(self.inputs)
        _check_memory(len(paths), trained)
        target = ModelTarget(trained)
        files = inspect_images(paths)
        for file in files:
            check_file_size(file, target)
        class_names = trained.model.class_names
        classes = folder_classes(paths, class_names)
        unknown = np.flatnonzero(classes == NO_CLASS)
        if len(unknown) and self._asks_folders(trained):
            raise no_folder_class(paths[unknown[0]], class_names)
        labels = None if len(unknown) else classes.astype(np.int64)
        images = np.stack([fitted(file, target) for file in files])
        return ArraySplit(images, labels), [str(path) for path in paths]


def _check_memory(num_images: int, trained: TrainedModel) -> None:
    """Raises UserError if so many images cannot be held in memory."""
    # Float32, in batches and then together.
    needed = num_images * 8 * math.prod(trained.model.image_shape)
    what = f"{num_images:,} images"
    sizes.check_memory(needed, what, what)


def _chosen(names: list[str], num_images: int | None, seed: int) -> list[str]:
    """Returns the names of the images that `evaluation_batches` returns."""
    if num_images is None:
        return names
    order = np.random.RandomState(seed).permutation(len(names))
    return [names[position] for position in np.sort(order[:num_images])]
