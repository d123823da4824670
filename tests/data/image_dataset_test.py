"""Tests of splits in memory."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.data.image_dataset import (
    ArraySplit,
    ImageDataset,
    empty_images,
    load_in_memory,
)
from keras_vae.errors import UserError


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 5, 7, 3)])
def test_memory_is_shared_with_the_tensor(shape):
    images = empty_images(shape)
    images[...] = 0
    split = ArraySplit.sharing(images, None)
    images[0, 0, 0, 0] = 77
    (_, image, _), *_ = split.elements().as_numpy_iterator()
    assert image[0, 0, 0] == 77


@pytest.mark.parametrize("make", [np.empty, empty_images])
def test_array_of_the_caller_is_copied(make):
    images = make((3, 4, 4, 1)).astype(np.uint8, copy=False)
    images[...] = 7
    labels = np.array([1, 2, 3])
    split = ArraySplit(images, labels)
    images[...], labels[...] = 0, 0
    _, read, found = zip(*split.elements().as_numpy_iterator(), strict=True)
    assert np.all(np.array(read) == 7)
    assert found == (1, 2, 3)
    assert split.labels.tolist() == [1, 2, 3]


def _aligned(dtype):
    """Returns images that begin on a 64-byte boundary: memory to be shared."""
    dtype = np.dtype(dtype)
    memory = empty_images((6, 4, 5, dtype.itemsize))
    memory[...] = 1
    return memory.view(dtype)


@pytest.mark.parametrize(
    "images",
    [
        _aligned(np.float32),
        np.full((6, 4, 5, 1), 0.5),
        _aligned(np.int8),
        np.ones((6, 4, 5, 1), bool),
        np.ones((6, 4, 5, 1), np.int64),
        np.ones((6, 4, 5), np.uint8),
        np.ones((20,), np.uint8),
        np.ones((2, 6, 4, 5, 1), np.uint8),
        np.ones((0, 4, 5, 1), np.uint8),
        np.ones((6, 0, 5, 1), np.uint8),
        [[[[1]]]],
        tf.ones((6, 4, 5, 1), tf.uint8),
    ],
    ids=str,
)
def test_images_that_are_no_grey_levels_are_refused(images):
    with pytest.raises(UserError, match=r"uint8 and shape \[N.*Received: "):
        ArraySplit(images)


@pytest.mark.parametrize(
    "labels",
    [
        np.ones(5, np.int64),
        np.ones(7, np.int64),
        np.ones((6, 1), np.int64),
        np.ones(6),
        np.full(6, np.nan),
        np.ones(6, bool),
        np.full(6, -2),
        np.full(6, 2**40),
        [1] * 6,
        np.array(["a"] * 6),
    ],
    ids=str,
)
def test_labels_that_are_none_are_refused(labels):
    with pytest.raises(UserError, match=r"^labels must be .*Received: "):
        ArraySplit(np.ones((6, 4, 5, 1), np.uint8), labels)


def test_labels_of_any_integer_type_become_int64():
    split = ArraySplit(
        np.ones((3, 2, 2, 1), np.uint8), np.array([0, 9, 3], np.uint8)
    )
    assert split.labels.dtype == np.int64
    assert split.labels.tolist() == [0, 9, 3]


def test_dataset_has_images_of_one_shape_and_labels_of_its_classes():
    split = ArraySplit(np.ones((2, 4, 4, 1), np.uint8), np.array([0, 3]))
    ImageDataset("mnist", (4, 4, 1), list("abcd"), {"test": split})
    with pytest.raises(UserError, match=r"test split .*\(5, 4, 1\)"):
        ImageDataset("mnist", (5, 4, 1), None, {"test": split})
    with pytest.raises(UserError, match="below 3, .*Received: 3"):
        ImageDataset("mnist", (4, 4, 1), list("abc"), {"test": split})


@pytest.mark.parametrize("change", [-1, 1])
def test_split_that_gives_more_or_fewer_images_is_refused(
    numbered_split, change
):
    class Other(ArraySplit):
        def elements(self):
            return super().elements().repeat(2).take(self.num_images + change)

    other = Other(numbered_split.images)
    with pytest.raises(UserError, match=f"103. Received: {103 + change}"):
        load_in_memory(other)


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
