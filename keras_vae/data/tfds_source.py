"""Image datasets of TFDS."""

import os
import pathlib

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_vae.config.data_config import DataConfig
from keras_vae.data.contents import Contents, describe_changes, file_digests
from keras_vae.data.image_dataset import NO_LABEL, ImageDataset, Split
from keras_vae.data.provenance import read_provenance
from keras_vae.data.record_files import RecordFiles
from keras_vae.data.record_split import RecordSplit
from keras_vae.data.splitting import plan_splits
from keras_vae.data.tfds_builder import find_builder, prepare
from keras_vae.data.transforms import final_shape, make_transform
from keras_vae.errors import UserError
from keras_vae.notes import note

__all__ = ["open_tfds"]

_CHANNELS = (1, 3)


def open_tfds(config: DataConfig) -> ImageDataset:
    """Opens a dataset of TFDS, preparing it first where it has to be.

    Args:
        config: Which dataset, and how.

    Returns:
        dataset: Its splits are read from disk as they are needed.

    Raises:
        UserError: When the dataset does not exist, cannot be prepared, or is
            not one of images of 8 bits that are all of one size.
    """
    builder = find_builder(config)
    # Before a download, which may be long and in vain.
    _image_key(builder.info.features, config)
    info = prepare(builder, config).info
    if info.file_format != tfds.core.FileFormat.TFRECORD:
        raise UserError(
            "dataset must be prepared as TFRecord files; prepare it again "
            f"in another data_dir. Received: dataset={config.dataset!r} in "
            f"the format {info.file_format.value!r}"
        )
    image_key = _image_key(info.features, config)
    label_key = _label_key(info)
    image_shape = _image_shape(info.features[image_key], config)
    decode = _decoder(info, image_key, label_key, image_shape, config)
    sizes = {name: split.num_examples for name, split in info.splits.items()}
    plan = plan_splits(sizes, config)
    files = {
        source: RecordFiles(
            [os.fspath(path) for path in info.splits[source].filepaths],
            info.splits[source].shard_lengths,
            info.splits[source].num_bytes,
            decode,
        )
        for source, _ in plan.values()
    }
    splits: dict[str, Split] = {
        name: RecordSplit(
            files[source], positions, image_shape, label_key is not None
        )
        for name, (source, positions) in plan.items()
    }
    names = info.features[label_key].names if label_key else None
    return ImageDataset(
        config.dataset,
        image_shape,
        list(names) if names else None,
        splits,
        _verified(files, builder.data_dir, config),
    )


def _verified(
    files: dict[str, RecordFiles], folder: str, config: DataConfig
) -> Contents:
    """Returns what the record files are, after checking that they are whole."""
    names = [
        pathlib.Path(path).name
        for some in files.values()
        for path in some.paths
    ]
    provenance = read_provenance(folder)
    if provenance is None:
        for some in files.values():
            some.check()
        note(
            f"{folder} does not say which archives it was prepared from, so "
            "its images are not verified; to have them verified, prepare "
            "it in another --data_dir"
        )
        return Contents(file_digests(folder, names))
    present = [name for name in names if pathlib.Path(folder, name).exists()]
    digests = file_digests(folder, present)
    changes = describe_changes(
        {name: provenance.files.get(name, "") for name in names}, digests
    )
    if changes:
        raise UserError(
            "The record files are not those that were prepared: "
            f"{changes}. Remove the folder, and the dataset is prepared again. "
            f"Received: dataset={config.dataset!r} in {folder}"
        )
    return Contents(digests, archives=provenance.archives)


def _image_key(features: tfds.features.FeaturesDict, config: DataConfig) -> str:
    """Returns the name of the feature that holds the image, of 8 bits."""
    # A LabeledImage is an Image too, but holds classes and not grey levels.
    images = {
        key: feature
        for key, feature in features.items()
        if type(feature) is tfds.features.Image
    }
    usable = [k for k, f in images.items() if f.shape[-1] in _CHANNELS]
    if "image" in usable:
        usable = ["image"]
    if len(usable) == 1:
        _check_depth(images[usable[0]], config)
        return usable[0]
    found = f"dataset={config.dataset!r} with features {sorted(features)}"
    if not images:
        problem = "dataset must be one of images, and has no image feature."
    elif not usable:
        problem = "dataset must have images of 1 or 3 channels, and has none."
    else:
        problem = (
            "dataset must have one image per example, and has several: "
            f"{', '.join(sorted(usable))}."
        )
    raise UserError(f"{problem} Received: {found}")


def _check_depth(feature: tfds.features.Image, config: DataConfig) -> None:
    if feature.np_dtype != np.uint8:
        raise UserError(
            "dataset must have images of 8 bits a channel (uint8); deeper ones "
            f"are not supported. Received: dataset={config.dataset!r} with "
            f"{np.dtype(feature.np_dtype).name}"
        )


def _label_key(info: tfds.core.DatasetInfo) -> str | None:
    labels = [
        key
        for key, feature in info.features.items()
        if isinstance(feature, tfds.features.ClassLabel)
    ]
    supervised = (info.supervised_keys or (None, None))[-1]
    for key in (supervised, "label"):
        if key in labels:
            return key
    return labels[0] if len(labels) == 1 else None


def _image_shape(
    feature: tfds.features.Image, config: DataConfig
) -> tuple[int, int, int]:
    if None in feature.shape and config.resize is None:
        raise UserError(
            f"dataset {config.dataset} has images of several sizes; give all "
            "the same with --resize=H,W. Received: resize=None"
        )
    return final_shape(feature.shape, config)


def _decoder(info, image_key, label_key, image_shape, config):
    """Returns the function from a record to (image, label)."""
    keys = [key for key in (image_key, label_key) if key]
    features = tfds.features.FeaturesDict(
        {key: info.features[key] for key in keys}
    )
    transform = make_transform(image_shape, config.resize, config.pad)
    num_classes = info.features[label_key].num_classes if label_key else None

    def decode(record):
        example = features.deserialize_example(record)
        label = tf.cast(example[label_key] if label_key else NO_LABEL, tf.int64)
        if num_classes is not None:
            tf.debugging.assert_less(
                label, tf.constant(num_classes, tf.int64), "label of no class"
            )
        return transform(example[image_key]), label

    return decode
