"""Tests of image datasets of TFDS."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_vae.config.data_config import DataConfig
from keras_vae.data.load import load
from keras_vae.errors import UserError
from tests.data import builders


def _load(name, data_dir, **kwargs):
    return load(DataConfig(name, data_dir=str(data_dir), **kwargs))


def _numbers(split):
    return split.images[:, 0, 0, 0].tolist()


def test_missing_splits_are_cut_from_train(tiny_data_dir):
    data = _load("tiny_images", tiny_data_dir, validation_size=12)
    assert data.class_names == ["even", "odd"]
    sizes = {name: split.num_images for name, split in data.splits.items()}
    assert sizes == {"train": 81, "validation": 12, "test": 10}
    numbers = [n for split in data.splits.values() for n in _numbers(split)]
    assert sorted(numbers) == list(range(builders.NUM_TINY))
    for split in data.splits.values():
        for image, label in zip(split.images, split.labels, strict=True):
            number = image[0, 0, 0]
            np.testing.assert_array_equal(image, builders.tiny_image(number))
            assert label == number % 2


def test_order_is_that_of_tfds(tiny_data_dir):
    builder = tfds.builder("tiny_images", data_dir=tiny_data_dir)
    config = tfds.ReadConfig(interleave_cycle_length=1)
    theirs = [
        int(example["image"][0, 0, 0])
        for example in builder.as_dataset("train", read_config=config)
    ]
    splits = _load("tiny_images", tiny_data_dir).splits
    ours = _numbers(splits["train"])
    assert ours == [number for number in theirs if number in set(ours)]


def test_streamed_and_loaded_splits_agree(tiny_data_dir):
    config = DataConfig(
        "tiny_images", data_dir=str(tiny_data_dir), resize=(8, 8), pad=1
    )
    loaded = load(config)
    streamed = load(config, max_bytes_in_memory=0)
    assert loaded.image_shape == streamed.image_shape == (10, 10, 1)
    for name, split in streamed.splits.items():
        assert split.images is None
        _, images, labels = zip(
            *split.elements().as_numpy_iterator(), strict=True
        )
        np.testing.assert_array_equal(images, loaded.splits[name].images)
        np.testing.assert_array_equal(labels, loaded.splits[name].labels)


def test_splits_of_the_dataset_are_used(tmp_path):
    builders.ThreeSplits(data_dir=tmp_path).download_and_prepare()
    data = _load("three_splits", tmp_path, validation_size=1)
    sizes = {name: split.num_images for name, split in data.splits.items()}
    assert sizes == {"train": 20, "validation": 6, "test": 4}
    assert data.class_names is None
    assert data.splits["train"].labels is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_images", "must be one of images"),
        ("deep_images", "8 bits a channel .uint8.*uint16"),
        ("ragged_images", "--resize=H,W"),
        ("two_images", "several: left, right"),
    ],
)
def test_unfit_datasets_are_named(tmp_path, name, message):
    with pytest.raises(UserError, match=message) as caught:
        _load(name, tmp_path)
    assert "Received: " in str(caught.value)


def test_deep_images_are_rejected_before_they_are_prepared(tmp_path):
    with pytest.raises(UserError, match="deeper ones are not supported"):
        _load("deep_images", tmp_path)
    assert not list(tmp_path.iterdir())


def test_resize_makes_mixed_sizes_fit(tmp_path):
    data = _load("ragged_images", tmp_path, resize=(6, 7))
    assert data.image_shape == (6, 7, 3)
    images = data.splits["train"].images
    assert np.all(images == images[:, :1, :1, :1])


def test_mnist(mnist_data_dir):
    data = _load("mnist", mnist_data_dir)
    assert data.image_shape == (28, 28, 1)
    sizes = {name: split.num_images for name, split in data.splits.items()}
    assert sizes == {"train": 55000, "validation": 5000, "test": 10000}
    # Known counts of the test labels.
    np.testing.assert_array_equal(
        np.bincount(data.splits["test"].labels),
        [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    )
    total = sum(
        int(data.splits[name].images.astype(np.int64).sum())
        for name in ("train", "validation")
    )
    # The mean of MNIST's training images is 0.1307 (of 1).
    assert total / (60000 * 784 * 255) == pytest.approx(0.1307, abs=5e-5)


def test_windows_mix_records_of_several_files(tiny_data_dir, monkeypatch):
    from keras_vae.data import record_split

    monkeypatch.setattr(record_split, "_MAX_WINDOW", 8)
    monkeypatch.setattr(record_split, "_MIN_WINDOW", 8)
    monkeypatch.setattr(record_split, "_BLOCK", 4)
    config = DataConfig("tiny_images", data_dir=str(tiny_data_dir))
    split = load(config, max_bytes_in_memory=0).splits["train"]
    size = split.num_images
    epochs = [
        [
            int(position)
            for positions, *_ in split.shuffled_batches(
                1, 0, start, start + size
            )
            for position in positions
        ]
        for start in (0, size)
    ]
    for epoch in epochs:
        assert sorted(epoch) == list(range(size))
    assert epochs[0] != epochs[1]
    # A window of 8 holds records of at least two of the five files.
    assert max(epochs[0][:8]) - min(epochs[0][:8]) > size // 5


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
