"""Tests of splits in memory."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.data.image_dataset import (
    ArraySplit,
    empty_images,
    load_in_memory,
)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 5, 7, 3)])
def test_memory_is_shared_with_the_tensor(shape):
    images = empty_images(shape)
    images[...] = 0
    split = ArraySplit(images)
    images[0, 0, 0, 0] = 77
    (_, image, _), *_ = split.elements().as_numpy_iterator()
    assert image[0, 0, 0] == 77


@pytest.mark.parametrize("step", [1, 2, -1])
def test_any_array_will_do(step):
    images = np.arange(120, dtype=np.uint8).reshape(6, 4, 5, 1)[::step]
    images.flags.writeable = False
    split = ArraySplit(images)
    np.testing.assert_array_equal(split.images, images)
    read = [image for _, image, _ in split.elements().as_numpy_iterator()]
    np.testing.assert_array_equal(read, images)


def test_images_cannot_be_changed_by_mistake(numbered_split):
    with pytest.raises(ValueError, match="read-only"):
        numbered_split.images[0] = 0


def test_image_without_label_has_minus_one():
    split = ArraySplit(np.zeros((3, 2, 2, 1), np.uint8))
    assert split.labels is None
    assert not split.has_labels
    labels = [label for *_, label in split.elements().as_numpy_iterator()]
    assert labels == [-1, -1, -1]


def test_static_binarization_is_made_once(numbered_split):
    binary = numbered_split.binarized(1)
    assert binary is numbered_split.binarized(1)
    assert set(np.unique(binary.images)) == {0, 255}
    assert binary is not numbered_split.binarized(2)
    np.testing.assert_array_equal(binary.labels, numbered_split.labels)


def test_split_outlives_its_array():
    batches = ArraySplit(np.full((9, 8, 8, 1), 5, np.uint8)).shuffled_batches(
        3, 0, 0, 3
    )
    tf.constant(np.zeros(9 * 64, np.uint8))
    for _, images, _ in batches:
        assert np.all(images == 5)


def test_loading_keeps_images_and_labels(numbered_split):
    loaded = load_in_memory(numbered_split)
    np.testing.assert_array_equal(loaded.images, numbered_split.images)
    np.testing.assert_array_equal(loaded.labels, numbered_split.labels)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
