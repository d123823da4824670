"""Fixtures of the data tests."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_vae.data.image_dataset import ArraySplit
from tests.data import builders


@pytest.fixture(scope="session")
def tiny_data_dir(tmp_path_factory):
    """Returns a TFDS `data_dir` with `tiny_images` in five files."""
    data_dir = tmp_path_factory.mktemp("tiny")
    builder = builders.TinyImages(data_dir=data_dir)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(num_shards=5)
    )
    return data_dir


@pytest.fixture
def numbered_split():
    """Returns 103 images, each with its position as the first pixel."""
    images = np.stack([builders.tiny_image(i) for i in range(103)])
    return ArraySplit(images, np.arange(103) % 7)
