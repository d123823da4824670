"""Images in TFRecord files that are read as they are needed."""

import copy

import numpy as np
import tensorflow as tf

from keras_vae.data.binarization import noise_seed
from keras_vae.data.file_split import binarize_element
from keras_vae.data.image_dataset import Split
from keras_vae.data.record_files import RecordFiles
from keras_vae.data.shuffling import shuffled_index

__all__ = ["RecordSplit"]

_FILES_AT_ONCE = 16
# Records that are read together: one by one takes four times as long.
_BLOCK = 64
_WINDOW_BYTES = 128 * 2**20
_MIN_WINDOW, _MAX_WINDOW = 512, 16384
# More than an epoch has, so that no two windows share a seed.
_MAX_WINDOWS = 2**32


class RecordSplit(Split):
    """Images in TFRecord files.

    Each epoch reads the files in a seeded order, sixteen at a time, and
    shuffles the records within seeded windows of up to 16,384. To start in
    the middle of an epoch its first records are read and thrown away, but
    not decoded.

    Args:
        files: The files.
        positions: The records that belong to this split: int64, ascending, as
            counted over all the files in order.
        image_shape: (H, W, C).
        has_labels: Whether the records have labels.
    """

    def __init__(
        self,
        files: RecordFiles,
        positions: np.ndarray,
        image_shape: tuple[int, int, int],
        has_labels: bool,
    ):
        super().__init__(len(positions), image_shape, has_labels)
        self._files = files
        self._static_seed: int | None = None
        # Record number -> position in this split, or -1.
        self._position_of = np.full(sum(files.lengths), -1, np.int64)
        self._position_of[positions] = np.arange(len(positions))

    def elements(self) -> tf.data.Dataset:
        order = tf.range(len(self._files.paths), dtype=tf.int64)
        return self._decoded(self._records(order, files_at_once=1))

    def shuffled_batches(
        self, batch_size: int, seed: int, start_step: int, end_step: int
    ) -> tf.data.Dataset:
        steps = self.num_images // batch_size
        first_epoch, first_step = divmod(start_step, steps)

        def epoch_records(epoch):
            return self._shuffled_records(epoch, seed).take(steps * batch_size)

        # The rest of the first epoch, then whole ones.
        first = tf.constant(first_epoch, tf.int64)
        records = (
            epoch_records(first)
            .skip(first_step * batch_size)
            .concatenate(
                tf.data.Dataset.range(
                    first_epoch + 1, end_step // steps + 1
                ).flat_map(epoch_records)
            )
        )
        return (
            self._decoded(records)
            .batch(batch_size, drop_remainder=True)
            .take(end_step - start_step)
        )

    def binarized(self, seed: int) -> "RecordSplit":
        split = copy.copy(self)
        split._static_seed = seed
        return split

    def _records(
        self, file_order: tf.Tensor, files_at_once: int
    ) -> tf.data.Dataset:
        """Returns (position, serialized record) of this split's records."""
        paths = tf.constant(list(self._files.paths))
        lengths = tf.constant(list(self._files.lengths), tf.int64)
        firsts = tf.cumsum(lengths, exclusive=True)
        position_of = tf.constant(self._position_of)

        def read_file(file):
            # Without it an epoch over a file that was cut would be shorter.
            whole = tf.data.experimental.assert_cardinality(lengths[file])
            records = tf.data.TFRecordDataset(paths[file]).apply(whole)
            return (
                records.batch(_BLOCK)
                .enumerate()
                .map(lambda block, records: select(file, block, records))
            )

        def select(file, block, records):
            size = tf.size(records, tf.int64)
            numbers = firsts[file] + block * _BLOCK + tf.range(size)
            positions = tf.gather(position_of, numbers)
            mine = positions >= 0
            return (
                tf.boolean_mask(positions, mine),
                tf.boolean_mask(records, mine),
            )

        return (
            tf.data.Dataset.from_tensor_slices(file_order)
            .interleave(read_file, cycle_length=files_at_once)
            .unbatch()
        )

    def _shuffled_records(self, epoch: tf.Tensor, seed: int) -> tf.data.Dataset:
        num_files = len(self._files.paths)
        files = tf.range(num_files, dtype=tf.int64)
        order = shuffled_index(
            files, noise_seed(seed, "files", epoch), num_files
        )

        def shuffle_window(window, batch):
            positions, records = batch
            size = tf.size(positions, tf.int64)
            index = shuffled_index(
                tf.range(size),
                noise_seed(seed, "window", epoch * _MAX_WINDOWS + window),
                size,
            )
            return tf.gather(positions, index), tf.gather(records, index)

        return (
            self._records(order, min(_FILES_AT_ONCE, num_files))
            .batch(self._window())
            .enumerate()
            .map(shuffle_window)
            .unbatch()
        )

    def _window(self) -> int:
        mean_bytes = self._files.num_bytes / len(self._position_of)
        window = int(_WINDOW_BYTES / max(1.0, mean_bytes))
        return min(_MAX_WINDOW, max(_MIN_WINDOW, window))

    def _decoded(self, records: tf.data.Dataset) -> tf.data.Dataset:
        def decode(position, record):
            image, label = self._files.decode(record)
            if self._static_seed is not None:
                image = binarize_element(image, position, self._static_seed)
            return position, image, label

        return records.map(
            decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )
