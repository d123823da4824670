"""Tests that record files are whole, when opened and while they are read."""

import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.config.data_config import DataConfig
from keras_vae.data.load import load
from keras_vae.data.pipeline import training_batches
from keras_vae.data.record_files import RecordFiles
from keras_vae.data.record_split import RecordSplit
from keras_vae.errors import StorageError, UserError
from keras_vae.io.failures import translated

_SHARD = "1.0.0/tiny_images-train.tfrecord-00001-of-00005"


@pytest.fixture
def data_dir(tiny_data_dir, tmp_path):
    """Returns a folder of five record files that others have prepared."""
    shutil.copytree(tiny_data_dir / "tiny_images", tmp_path / "tiny_images")
    return tmp_path


def _shard(data_dir):
    return data_dir / "tiny_images" / _SHARD


def _records(path):
    return list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())


def _write(path, records):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def _damage(path, how):
    records, content = _records(path), path.read_bytes()
    if how == "removed":
        path.unlink()
    elif how == "emptied":
        path.write_bytes(b"")
    elif how == "cut in a record":
        path.write_bytes(content[:-1])
    elif how == "cut in a header":
        path.write_bytes(content + b"1234567")
    elif how == "fewer":
        _write(path, records[:-1])
    elif how == "more":
        _write(path, [*records, records[0]])
    else:
        _write(path, [record[:-3] for record in records])


@pytest.mark.parametrize("max_bytes", [0, 2**20])
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("removed", "cannot be read .No such file"),
        ("emptied", "has 0 of its 2[01] records"),
        ("cut in a record", "ends in the midst of a record"),
        ("cut in a header", "ends in the midst of a record"),
        ("fewer", "has (19|20) of its 2[01] records"),
        ("more", "has 2[12] of its 2[01] records"),
        ("others", "they are of another dataset"),
    ],
)
def test_damaged_files_are_named(data_dir, how, message, max_bytes):
    path = _shard(data_dir)
    _damage(path, how)
    with pytest.raises(UserError, match=message) as caught:
        load(
            DataConfig("tiny_images", str(data_dir)),
            max_bytes_in_memory=max_bytes,
        )
    assert "prepared again" in str(caught.value)
    assert re.search("Received: .*tiny_images-train", str(caught.value))


@pytest.mark.parametrize("how", ["emptied", "cut in a record", "fewer", "more"])
def test_file_that_is_cut_under_way_ends_no_epoch_early(data_dir, how):
    config = DataConfig("tiny_images", str(data_dir))
    split = load(config, max_bytes_in_memory=0).splits["train"]
    _damage(_shard(data_dir), how)
    batches = training_batches(
        split, batch_size=4, seed=0, num_steps=60, binarization="none"
    )
    for elements in (batches, split.elements()):
        with (
            pytest.raises(
                StorageError, match="record file .* while it was read"
            ),
            translated(),
        ):
            for _ in elements:
                pass


def test_label_of_no_class_is_refused(data_dir):
    path = _shard(data_dir)
    records = _records(path)
    example = tf.train.Example.FromString(records[0])
    example.features.feature["label"].int64_list.value[0] = 2
    # As long as before, so that nothing but the label gives it away.
    records[0] = example.SerializeToString()
    _write(path, records)
    with pytest.raises(UserError, match="no class.*tiny_images, split"):
        load(DataConfig("tiny_images", str(data_dir)))


def test_windows_of_each_epoch_have_an_order_of_their_own(tmp_path):
    path = str(tmp_path / "one.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for number in range(40):
            writer.write(bytes([number]))

    def decode(record):
        image = tf.reshape(tf.io.decode_raw(record, tf.uint8), [1, 1, 1])
        return image, tf.constant(0, tf.int64)

    files = RecordFiles([path], [40], 40, decode)
    split = RecordSplit(files, np.arange(40), (1, 1, 1), True)
    # A single file: nothing but its window is shuffled.
    batches = split.shuffled_batches(40, 3, 0, 2)
    first, second = (positions.numpy() for positions, *_ in batches)
    assert sorted(first) == sorted(second) == list(range(40))
    assert np.mean(first != second) > 0.5


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
