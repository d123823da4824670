"""Images: where they come from and how they reach a model."""

from keras_vae.config.data_config import (
    DATASET_DEFAULTS,
    MAX_BITS,
    DataConfig,
    default_binarization,
)
from keras_vae.data.binarization import to_unit_interval
from keras_vae.data.image_dataset import ArraySplit, ImageDataset, Split
from keras_vae.data.image_files import (
    ImageFile,
    inspect_image,
    inspect_images,
    open_image_file,
    read_image,
)
from keras_vae.data.image_finder import (
    SUFFIXES,
    find_image_files,
    find_images,
)
from keras_vae.data.load import MAX_BYTES_IN_MEMORY, load
from keras_vae.data.pipeline import (
    evaluation_batches,
    steps_per_epoch,
    training_batches,
)

__all__ = [
    "DATASET_DEFAULTS",
    "MAX_BITS",
    "MAX_BYTES_IN_MEMORY",
    "SUFFIXES",
    "ArraySplit",
    "DataConfig",
    "ImageDataset",
    "ImageFile",
    "Split",
    "default_binarization",
    "evaluation_batches",
    "find_image_files",
    "find_images",
    "inspect_image",
    "inspect_images",
    "load",
    "open_image_file",
    "read_image",
    "steps_per_epoch",
    "to_unit_interval",
    "training_batches",
]
