"""Writes images as a dataset that TFDS reads back."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from keras_vae.data.provenance import write_provenance
from keras_vae.data.tfds_builder import quiet_tfds

__all__ = ["write_tfds"]

_VERSION = "1.0.0"


def write_tfds(
    folder: str | os.PathLike[str],
    name: str,
    splits: Mapping[str, Iterable[Mapping[str, Any]]],
    *,
    image_shape: tuple[int, int, int],
    class_names: Sequence[str],
    description: str,
    flags: Sequence[str] = (),
) -> str:
    """Writes labelled images as TFRecord files, one split after the other.

    The examples are read once and put on disk as they come, so that memory
    does not grow with their number; TFDS shuffles them there.

    Args:
        folder: What becomes `--data_dir`.
        name: What becomes `--dataset`, in snake_case.
        splits: The examples of each split: `image` uint8 [H, W, C], `label` an
            integer, and a Boolean for each of `flags`.
        image_shape: (H, W, C).
        class_names: Name of each label.
        description: For people; kept in `dataset_info.json`.
        flags: Names of Boolean features.

    Returns:
        The folder for `tfds.builder_from_directory`.
    """
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=image_shape),
            "label": tfds.features.ClassLabel(names=list(class_names)),
            **{flag: tfds.features.Scalar(np.bool_) for flag in flags},
        }
    )
    with quiet_tfds():
        builder = tfds.dataset_builders.store_as_tfds_dataset(
            name=name,
            version=_VERSION,
            features=features,
            split_datasets={k: _numbered(v) for k, v in splits.items()},
            data_dir=os.fspath(folder),
            description=description,
            download_config=tfds.download.DownloadConfig(
                try_download_gcs=False
            ),
        )
    write_provenance(builder.data_dir, archives={})
    return str(builder.data_dir)


def _numbered(
    examples: Iterable[Mapping[str, Any]],
) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, example in enumerate(examples):
        yield number, dict(example)
