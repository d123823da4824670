"""`load`: from the settings to a dataset."""

from keras_vae.config.data_config import IMAGE_FOLDER, DataConfig
from keras_vae.data.contents import Contents
from keras_vae.data.image_dataset import ImageDataset
from keras_vae.data.image_folder import open_image_folder
from keras_vae.data.reading import into_memory
from keras_vae.data.tfds_source import open_tfds

__all__ = ["MAX_BYTES_IN_MEMORY", "load"]

MAX_BYTES_IN_MEMORY = 2**30


def load(
    config: DataConfig,
    *,
    max_bytes_in_memory: int = MAX_BYTES_IN_MEMORY,
    recorded: Contents | None = None,
) -> ImageDataset:
    """Loads a dataset, preparing it first where it has to be.

    A split whose uint8 images, after resizing and padding, take at most
    `max_bytes_in_memory` bytes is read into memory; a larger one is read from
    disk as it is needed.

    Args:
        config: Which dataset, and how.
        max_bytes_in_memory: Bytes that one split may take.
        recorded: What the dataset was when its splits were cut: the images of
            a folder keep theirs. None: they are cut now.

    Returns:
        dataset: the splits "train", "validation" and "test".

    Raises:
        UserError: When the dataset does not exist, cannot be prepared or
            read, or is not one of images.

    Example:
        >>> data = load(DataConfig("mnist_5k"))
        >>> data.image_shape, data.splits["train"].num_images
        ((28, 28, 1), 4000)
    """
    if config.dataset == IMAGE_FOLDER:
        dataset = open_image_folder(config, recorded)
    else:
        dataset = open_tfds(config)
    return into_memory(dataset, max_bytes_in_memory)
