"""`augment`: balances a labelled dataset with class-conditional samples."""

import collections
import os
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

import numpy as np

from keras_vae import plotting
from keras_vae.config import check_number
from keras_vae.data import ImageDataset, Split
from keras_vae.data.tfds_writer import write_tfds
from keras_vae.errors import UserError
from keras_vae.io import outputs, sizes
from keras_vae.models.abilities import check_can
from keras_vae.progress import ImageBar
from keras_vae.training import TrainedModel
from keras_vae.use.sample import sample_batches
from keras_vae.use.source import (
    ImageSource,
)
from keras_vae.use.verb_outputs import check_output

__all__ = ["augment", "dataset_name", "missing_labels"]

_BATCH_SIZE = 256
_MAX_SEED = 2**31 - 1
# An image in a record is a PNG of so many bytes at least.
_PNG_BYTES = 70


def augment(
    trained: TrainedModel,
    output: str | os.PathLike[str],
    *,
    per_class: int | None = None,
    seed: int = 0,
    temperature: float = 1.0,
    data_dir: str | None = None,
    manual_dir: str | None = None,
    accept_changed_data: bool = False,
    stream: TextIO | None = None,
) -> outputs.Written:
    """Writes a run's dataset with its small classes filled up by samples.

    The images of the training split stay as they are; each class with fewer
    than the largest one gets samples of a conditional model until it has as
    many. The result has the images' final size, the same splits (validation
    and test get no samples) and the features `image`, `label` and
    `synthetic`, and TFDS reads it.

    A sample's grey levels are the likelihood's mean. For a Bernoulli model that
    is the probability of ink, which `--binarization=dynamic` draws from anew
    each time, as it does from the grey levels of real images.

    Args:
        trained: A conditional model.
        output: The folder to write, `--data_dir` of what reads it.
        per_class: Images that each class of the training split is filled to.
            None: as many as the largest has. No class loses images.
        seed: Sample i is made from the seed `[seed, i]`.
        temperature: Multiplies the prior's standard deviation.
        data_dir: Where the run's dataset lies now; None: as in training.
        manual_dir: Where its archives lie now; None: as in training.
        accept_changed_data: Whether the dataset may have changed since the run
            began.
        stream: Where progress is shown; standard error unless given.

    Returns:
        What was written; `figures` has the counts.

    Raises:
        UserError: If the model is not conditional, nothing is missing, or the
            output cannot be written.
    """
    path = check_output("augment", output)
    if per_class is not None:
        check_number("per_class", per_class, 1, whole=True)
    check_number("seed", seed, 0, whole=True, high=_MAX_SEED)
    check_number("temperature", temperature, 0)
    check_can(trained.model, "augment")
    classes = trained.model.num_classes
    if not classes:
        raise UserError(
            "augment needs a model that knows classes: train it with "
            "apps/train.py --config.num_classes=auto. "
            f"Received: {trained.place}"
        )
    places = ImageSource(
        data_dir=data_dir,
        manual_dir=manual_dir,
        accept_changed_data=accept_changed_data,
    )
    dataset = places.dataset(trained)
    counts = _count(dataset.splits["train"], classes)
    _check_size(path, dataset, counts, per_class)
    labels = missing_labels(counts, per_class)
    name = dataset_name(dataset.name)
    total = sum(split.num_images for split in dataset.splits.values())
    with ImageBar(total + len(labels), "written", stream) as bar:
        outputs.write_folder(
            path,
            lambda folder: _write(
                folder, name, trained, dataset, labels, seed, temperature, bar
            ),
        )
    added = np.bincount(labels, minlength=classes)
    names = trained.model.class_names
    return outputs.Written(
        (path,),
        _report(path, name, names, counts, added, trained),
        {
            "dataset": name,
            "real": dict(zip(names, counts.tolist(), strict=True)),
            "synthetic": dict(zip(names, added.tolist(), strict=True)),
        },
    )


def missing_labels(counts: np.ndarray, per_class: int | None) -> np.ndarray:
    """Returns the class of each sample that is missing, int32, ascending.

    Args:
        counts: Images of each class.
        per_class: Images that each class is to have; None: as the largest. A
            class that has none is left at none: the model has not seen it.

    Raises:
        UserError: If nothing is missing.
    """
    target = int(counts.max()) if per_class is None else per_class
    missing = np.where(counts > 0, np.maximum(target - counts, 0), 0)
    if not missing.any():
        raise UserError(
            f"No class has fewer than {target:,} images: nothing to add. Name "
            "a larger number with --per_class. "
            f"Received: {counts.min():,} ... {counts.max():,} images a class"
        )
    return np.repeat(np.arange(len(counts), dtype=np.int32), missing)


def _check_size(
    path: pathlib.Path,
    dataset: ImageDataset,
    counts: np.ndarray,
    per_class: int | None,
) -> None:
    """Raises UserError if the samples are too many, or too large a dataset."""
    if per_class is None:
        return
    seen = counts[counts > 0]
    num = int(np.maximum(per_class - seen, 0).sum(dtype=object))
    received = f"per_class={per_class}"
    if num > _MAX_SEED:
        raise UserError(
            f"per_class asks for {num:,} samples, and there are seeds for "
            f"{_MAX_SEED:,}. Received: {received}"
        )
    # The least that PNG makes of an image; TFDS sorts a copy of it.
    needed = 2 * num * _PNG_BYTES
    sizes.check_disk(path, needed, f"{num:,} samples", received)


def dataset_name(name: str) -> str:
    """Returns the name of a dataset's balanced version, for `--dataset`."""
    return re.sub(r"\W+", "_", name).strip("_").lower() + "_augmented"


def _count(split: Split, classes: int) -> np.ndarray:
    if not split.has_labels:
        raise UserError(
            "augment needs a dataset with labels. Received: one without"
        )
    if split.labels is not None:
        return np.bincount(split.labels, minlength=classes)
    found: collections.Counter[int] = collections.Counter()
    for _, _, labels in split.elements().batch(_BATCH_SIZE):
        found.update(labels.numpy().tolist())
    return np.array([found[label] for label in range(classes)])


def _write(
    folder: pathlib.Path,
    name: str,
    trained: TrainedModel,
    dataset: ImageDataset,
    labels: np.ndarray,
    seed: int,
    temperature: float,
    bar: ImageBar,
) -> None:
    def train() -> Iterator[dict[str, Any]]:
        yield from _copied(dataset.splits["train"], bar)
        yield from _synthetic(trained, labels, seed, temperature, bar)

    splits = {"train": train()}
    for split in ("validation", "test"):
        splits[split] = _copied(dataset.splits[split], bar)
    write_tfds(
        folder,
        name,
        splits,
        image_shape=dataset.image_shape,
        class_names=trained.model.class_names,
        description=(
            f"{dataset.name}, its training classes balanced by samples of a "
            "conditional variational autoencoder (`synthetic`), seed "
            f"{seed}, temperature {temperature:g}."
        ),
        flags=("synthetic",),
    )


def _copied(split: Split, bar: ImageBar) -> Iterator[dict[str, Any]]:
    for _, images, labels in split.elements().batch(_BATCH_SIZE):
        for image, label in zip(images.numpy(), labels.numpy(), strict=True):
            bar.update(1)
            yield {"image": image, "label": int(label), "synthetic": False}


def _synthetic(
    trained: TrainedModel,
    labels: np.ndarray,
    seed: int,
    temperature: float,
    bar: ImageBar,
) -> Iterator[dict[str, Any]]:
    number = 0
    for images in sample_batches(
        trained, len(labels), seed, temperature, labels
    ):
        for image in plotting.to_uint8(images):
            bar.update(1)
            yield {
                "image": image,
                "label": int(labels[number]),
                "synthetic": True,
            }
            number += 1


def _report(
    path: pathlib.Path,
    name: str,
    names: Sequence[str],
    counts: np.ndarray,
    added: np.ndarray,
    trained: TrainedModel,
) -> str:
    width = max(len("class"), *(len(text) for text in names))
    lines = [f"{'class':<{width}}  {'real':>9}  {'synthetic':>9}"]
    for text, real, synthetic in zip(names, counts, added, strict=True):
        note = "" if real else "  the model has not seen this class"
        lines.append(f"{text:<{width}}  {real:>9,}  {synthetic:>9,}{note}")
    lines += [
        "Read it with",
        f"  apps/train.py --dataset={name} --data_dir={path} "
        f"--binarization={trained.preparation.binarization}",
        f"  tfds.builder_from_directory('{path / name / '1.0.0'}')",
    ]
    return "\n".join(lines)
