"""Images that are decoded one by one as they are needed."""

import copy
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_vae.data.binarization import noise_seed, sample_binary
from keras_vae.data.image_dataset import NO_LABEL, Split
from keras_vae.data.shuffling import batch_positions
from keras_vae.errors import UserError

__all__ = ["FileSplit", "binarize_element"]


def binarize_element(
    image: tf.Tensor, position: tf.Tensor, seed: int
) -> tf.Tensor:
    """Binarizes one image by a draw from (seed, position), to 0 and 255."""
    bits = sample_binary(image, noise_seed(seed, "binarization", position))
    return tf.cast(bits, tf.uint8) * tf.constant(255, tf.uint8)


class FileSplit(Split):
    """Images in files of their own.

    Args:
        decode: Returns the image of a position, uint8 [H0, W0, C]; raises
            `UserError` when its file cannot be read.
        transform: From that to uint8 [H, W, C].
        labels: int64 [N], or None.
        num_images: Number of images.
        image_shape: (H, W, C).
    """

    def __init__(
        self,
        decode: Callable[[int], np.ndarray],
        transform: Callable[[tf.Tensor], tf.Tensor],
        labels: np.ndarray | None,
        num_images: int,
        image_shape: tuple[int, int, int],
    ):
        super().__init__(num_images, image_shape, labels is not None)
        self.labels = labels
        # What stopped the reading, to be raised again outside of the graph.
        self.failure: UserError | None = None
        self._decode = decode
        self._transform = transform
        self._static_seed: int | None = None

    def elements(self) -> tf.data.Dataset:
        return self._read(tf.data.Dataset.range(self.num_images))

    def shuffled_batches(
        self, batch_size: int, seed: int, start_step: int, end_step: int
    ) -> tf.data.Dataset:
        positions = tf.data.Dataset.range(start_step, end_step).map(
            lambda step: batch_positions(
                step,
                num_images=self.num_images,
                batch_size=batch_size,
                seed=seed,
            )
        )
        elements = self._read(positions.unbatch())
        return elements.batch(batch_size, drop_remainder=True)

    def binarized(self, seed: int) -> "FileSplit":
        split = copy.copy(self)
        split._static_seed = seed
        return split

    def _read(self, positions: tf.data.Dataset) -> tf.data.Dataset:
        labels = self.labels
        if labels is None:
            labels = np.full(self.num_images, NO_LABEL, np.int64)
        label_tensor = tf.constant(labels)

        def read(position):
            image = tf.numpy_function(
                self._decode_or_note, [position], tf.uint8
            )
            image.set_shape([None, None, self.image_shape[2]])
            image = self._transform(image)
            if self._static_seed is not None:
                image = binarize_element(image, position, self._static_seed)
            return position, image, label_tensor[position]

        return positions.map(
            read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )

    def _decode_or_note(self, position: int) -> np.ndarray:
        try:
            return self._decode(int(position))
        except UserError as error:
            self.failure = error
            raise
