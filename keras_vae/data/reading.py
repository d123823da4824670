"""Reads the splits that are small enough into memory."""

import dataclasses
import math

import tensorflow as tf

from keras_vae.data.file_split import FileSplit
from keras_vae.data.image_dataset import ImageDataset, Split, load_in_memory
from keras_vae.errors import UserError

__all__ = ["into_memory"]


def into_memory(dataset: ImageDataset, max_bytes: int) -> ImageDataset:
    """Returns the dataset with its small splits in memory.

    Args:
        dataset: A dataset that is read from disk.
        max_bytes: Bytes of uint8 images that one split may take.

    Raises:
        UserError: When an image cannot be read.
    """
    splits = {}
    for name, split in dataset.splits.items():
        size = split.num_images * math.prod(split.image_shape)
        splits[name] = split
        if size <= max_bytes:
            splits[name] = _read(split, f"{dataset.name}, split {name}")
    return dataclasses.replace(dataset, splits=splits)


def _read(split: Split, name: str) -> Split:
    try:
        return load_in_memory(split)
    except tf.errors.OpError as error:
        # TensorFlow has turned the error of a decoder into one of its own.
        if isinstance(split, FileSplit) and split.failure is not None:
            raise split.failure from None
        raise UserError(
            "The images cannot be read, so their files are damaged or not "
            f"what they say ({error.message.splitlines()[0]}). "
            f"Received: {name}"
        ) from error
