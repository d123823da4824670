"""A dataset of images: its splits, in memory or read as they are needed."""

import abc
import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_vae.data.autotuning import without_autotuning
from keras_vae.data.binarization import binarize_array
from keras_vae.data.contents import Contents
from keras_vae.data.shuffling import batch_positions
from keras_vae.errors import UserError

__all__ = ["NO_LABEL", "ArraySplit", "ImageDataset", "Split", "load_in_memory"]

# Stands for the label of an image that has none.
NO_LABEL = -1

_ALIGNMENT = 64
_READ_BATCH = 256


class Split(abc.ABC):
    """The images of one split, in a fixed order.

    An image's place in that order is its position. Elements of the
    `tf.data.Dataset`s below are (position, image, label): int64, uint8
    [H, W, C] and int64, where a missing label is `NO_LABEL`.

    Attributes:
        num_images: Number of images N.
        image_shape: (H, W, C).
        has_labels: Whether the images have labels.
        images: uint8 [N, H, W, C], or None when they are not in memory.
        labels: int64 [N], or None when there are none or they are not in
            memory.
    """

    images: np.ndarray | None = None
    labels: np.ndarray | None = None

    def __init__(
        self,
        num_images: int,
        image_shape: tuple[int, int, int],
        has_labels: bool,
    ):
        self.num_images = num_images
        self.image_shape = image_shape
        self.has_labels = has_labels

    @abc.abstractmethod
    def elements(self) -> tf.data.Dataset:
        """Returns the elements one by one, in order of position."""

    @abc.abstractmethod
    def shuffled_batches(
        self, batch_size: int, seed: int, start_step: int, end_step: int
    ) -> tf.data.Dataset:
        """Returns the batches of the steps `start_step` ... `end_step` - 1.

        A batch is a function of `seed` and its step alone.
        """

    @abc.abstractmethod
    def binarized(self, seed: int) -> "Split":
        """Returns this split with each image binarized once, to 0 and 255."""


class ArraySplit(Split):
    """Images in memory.

    Args:
        images: uint8 [N, H, W, C]; copied, so that nobody can change them.
        labels: Integers [N], `NO_LABEL` or more, or None.

    Raises:
        UserError: When they are not that.
    """

    images: np.ndarray

    def __init__(self, images: np.ndarray, labels: np.ndarray | None = None):
        _check_images(images)
        copied = empty_images(images.shape)
        copied[...] = images
        self._set(copied, _checked_labels(labels, len(images)))

    @classmethod
    def sharing(
        cls, images: np.ndarray, labels: np.ndarray | None
    ) -> "ArraySplit":
        """Returns a split that looks at an array and does not copy it.

        Args:
            images: Made by `empty_images`; not to be written to any more.
            labels: int64 [N], or None.
        """
        split = cls.__new__(cls)
        split._set(images, _checked_labels(labels, len(images)))
        return split

    def _set(self, images: np.ndarray, labels: np.ndarray | None) -> None:
        height, width, channels = images.shape[1:]
        super().__init__(
            len(images), (height, width, channels), labels is not None
        )
        tensor_labels = labels
        if tensor_labels is None:
            tensor_labels = np.full(self.num_images, NO_LABEL, np.int64)
        self._tensors = _share(images), tf.constant(tensor_labels)
        # The tensor looks at the same memory: nobody may write to it.
        self.images = images.view()
        self.images.flags.writeable = False
        self.labels = labels
        self._binarized: tuple[int, ArraySplit] | None = None

    def elements(self) -> tf.data.Dataset:
        positions = tf.range(self.num_images, dtype=tf.int64)
        return tf.data.Dataset.from_tensor_slices((positions, *self._tensors))

    def shuffled_batches(
        self, batch_size: int, seed: int, start_step: int, end_step: int
    ) -> tf.data.Dataset:
        images, labels = self._tensors

        def gather(step):
            positions = batch_positions(
                step,
                num_images=self.num_images,
                batch_size=batch_size,
                seed=seed,
            )
            batch = tf.ensure_shape(
                tf.gather(images, positions), (batch_size, *self.image_shape)
            )
            return positions, batch, tf.gather(labels, positions)

        return tf.data.Dataset.range(start_step, end_step).map(gather)

    def binarized(self, seed: int) -> "ArraySplit":
        if self._binarized is None or self._binarized[0] != seed:
            images = empty_images(self.images.shape)
            binarize_array(self.images, seed, out=images)
            self._binarized = (seed, ArraySplit.sharing(images, self.labels))
        return self._binarized[1]


@dataclasses.dataclass(frozen=True)
class ImageDataset:
    """Images in three splits.

    Attributes:
        name: As in `DataConfig.dataset`.
        image_shape: (H, W, C), after `resize` and `pad`.
        class_names: Name of each label, or None.
        splits: "train", "validation" and "test".
        contents: What the files are that they are read from; None for images
            that come from arrays.

    Raises:
        UserError: When the splits do not have images of that shape, or
            labels in memory are not among the classes.
    """

    name: str
    image_shape: tuple[int, int, int]
    class_names: list[str] | None
    splits: dict[str, Split]
    contents: Contents | None = None

    def __post_init__(self) -> None:
        for name, split in self.splits.items():
            if tuple(split.image_shape) != tuple(self.image_shape):
                raise UserError(
                    f"The {name} split must have images of the dataset's "
                    f"shape, {tuple(self.image_shape)}. "
                    f"Received: {tuple(split.image_shape)}"
                )
            if self.class_names is None or split.labels is None:
                continue
            if split.labels.max() >= len(self.class_names):
                raise UserError(
                    f"The labels of the {name} split must be below "
                    f"{len(self.class_names)}, the number of classes. "
                    f"Received: {split.labels.max()}"
                )


def empty_images(shape: Sequence[int]) -> np.ndarray:
    """Returns a uint8 array whose memory TensorFlow can share.

    That takes an array that begins on a 64-byte boundary.
    """
    size = int(np.prod(shape))
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    offset = -memory.ctypes.data % _ALIGNMENT
    return memory[offset : offset + size].reshape(shape)


def _check_images(images: np.ndarray) -> None:
    if (
        not isinstance(images, np.ndarray)
        or images.dtype != np.uint8
        or images.ndim != 4
        or 0 in images.shape
    ):
        raise UserError(
            "images must be grey levels 0 ... 255 of type uint8 and shape "
            "[N, H, W, C], at least one; images in [0, 1] become that by "
            "np.uint8(np.round(255 * images)). "
            f"Received: {_what_it_is(images)}"
        )


def _checked_labels(
    labels: np.ndarray | None, num_images: int
) -> np.ndarray | None:
    """Returns the labels as int64 [N] of their own, after checking them."""
    if labels is None:
        return None
    integers = isinstance(labels, np.ndarray) and labels.dtype.kind in "iu"
    if not integers or labels.shape != (num_images,):
        raise UserError(
            "labels must be an array of integers, one for each of "
            f"{num_images} images, or None. Received: {_what_it_is(labels)}"
        )
    low, high = labels.min(), labels.max()
    if low < NO_LABEL or high > np.iinfo(np.int32).max:
        raise UserError(
            f"labels must be 0 or more, or {NO_LABEL} where there is none. "
            f"Received: labels from {low} to {high}"
        )
    return labels.astype(np.int64)


def _what_it_is(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype.name}, shape {value.shape}"
    return type(value).__name__


def _share(images: np.ndarray) -> tf.Tensor:
    # `tf.constant` would copy the array, twice the memory for nothing.
    return tf.experimental.dlpack.from_dlpack(images.__dlpack__())


def load_in_memory(split: Split) -> ArraySplit:
    """Reads a whole split into memory.

    Raises:
        UserError: When it gives more or fewer images than it says.
    """
    images = empty_images((split.num_images, *split.image_shape))
    labels = np.empty(split.num_images, np.int64)
    row = 0
    for _, some_images, some_labels in (
        without_autotuning(split.elements())
        .batch(_READ_BATCH)
        .as_numpy_iterator()
    ):
        end = row + len(some_images)
        if end <= split.num_images:
            images[row:end] = some_images
            labels[row:end] = some_labels
        row = end
    if row != split.num_images:
        raise UserError(
            f"A split must give as many images as it has, {split.num_images}. "
            f"Received: {row}"
        )
    return ArraySplit.sharing(images, labels if split.has_labels else None)
