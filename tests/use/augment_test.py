"""Tests of `augment`: what is written is what TFDS and `load` read."""

import types

import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_vae.data import DataConfig, load
from keras_vae.errors import UserError
from keras_vae.plotting import to_uint8
from keras_vae.training import load_trained
from keras_vae.use import augment
from keras_vae.use.augment import dataset_name, missing_labels
from keras_vae.use.sample import sample_batches
from tests import trained_run

# mnist_5k has 400 images of each digit for training.
_PER_CLASS = 403


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    return trained_run.make_conditional(tmp_path_factory)


@pytest.fixture(scope="module")
def written(conditional, tmp_path_factory):
    folder = tmp_path_factory.mktemp("augment") / "balanced"
    result = augment(conditional.trained, folder, per_class=_PER_CLASS, seed=5)
    return folder, result


def _train_images(dataset):
    batch = next(iter(dataset.splits["train"].elements().batch(10_000)))
    _, images, labels = (part.numpy() for part in batch)
    return images, labels


def test_each_class_is_filled_and_nothing_else_changes(conditional, written):
    folder, result = written
    original = load(DataConfig("mnist_5k", data_dir=str(conditional.data_dir)))
    dataset = load(DataConfig("mnist_5k_augmented", data_dir=str(folder)))
    images, _ = _train_images(original)
    more_images, more_labels = _train_images(dataset)
    count = len(images)
    added = _PER_CLASS * 10 - count
    assert np.bincount(more_labels).tolist() == [_PER_CLASS] * 10
    assert sum(result.figures["synthetic"].values()) == added
    assert dataset.class_names == original.class_names
    rows = {image.tobytes() for image in more_images}
    assert {image.tobytes() for image in images} <= rows
    for split in ("validation", "test"):
        assert (
            dataset.splits[split].num_images
            == original.splits[split].num_images
        )


def test_samples_are_those_of_the_seed_and_marked(conditional, written):
    folder, _ = written
    builder = tfds.builder_from_directory(
        folder / "mnist_5k_augmented" / "1.0.0"
    )
    found = [e for e in builder.as_dataset(split="train") if e["synthetic"]]
    images = np.stack([e["image"].numpy() for e in found])
    labels = np.array([e["label"].numpy() for e in found], np.int32)
    trained = load_trained(conditional.workdir)
    expected_labels = np.sort(labels)
    expected = np.concatenate(
        list(sample_batches(trained, len(found), 5, labels=expected_labels))
    )
    # TFDS shuffles what it writes.
    assert sorted(image.tobytes() for image in images) == sorted(
        image.tobytes() for image in to_uint8(expected)
    )


def test_missing_images_are_counted():
    counts = np.array([5, 2, 0, 5])
    assert missing_labels(counts, None).tolist() == [1, 1, 1]
    assert missing_labels(counts, 6).tolist() == [0, 1, 1, 1, 1, 3]
    with pytest.raises(UserError, match="fewer than 2 .*0 ... 5 images"):
        missing_labels(counts, 2)
    assert dataset_name("my/Set-1") == "my_set_1_augmented"


def test_model_without_classes_is_refused(run, tmp_path):
    with pytest.raises(UserError, match="num_classes=auto"):
        augment(run.trained, tmp_path / "balanced")
    assert not (tmp_path / "balanced").exists()


def test_balanced_dataset_is_refused_and_nothing_written(conditional, tmp_path):
    with pytest.raises(UserError, match="nothing to add"):
        augment(conditional.trained, tmp_path / "balanced")
    with pytest.raises(UserError, match="per_class"):
        augment(conditional.trained, tmp_path / "balanced", per_class=0)
    assert not list(tmp_path.iterdir())


def test_what_would_be_too_large_is_refused(conditional, tmp_path, monkeypatch):
    folder = tmp_path / "balanced"
    with pytest.raises(UserError, match="9,999,996,000 samples, and .* seeds"):
        augment(conditional.trained, folder, per_class=10**9)
    usage = types.SimpleNamespace(free=100_000)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    # 140 bytes for each of 6,000 samples.
    with pytest.raises(UserError, match="6,000 samples need 840 kB of disk"):
        augment(conditional.trained, folder, per_class=1000)
    assert not list(tmp_path.iterdir())


def test_folder_that_exists_is_not_overwritten(conditional, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="Received"):
        augment(conditional.trained, tmp_path, per_class=_PER_CLASS)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
