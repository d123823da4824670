"""Tests of the warm-up file: replayed, and a bad one fails the load."""

import shutil
import time

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tests.serving.protocol import tensors, warmup
from tests.serving.protocol.servable import Servable
from tests.serving.protocol.status import Code, StatusError
from tests.serving.protocol.versions import ModelConfig, Versions, WatchOptions


@pytest.fixture
def version(model_base_path, tmp_path):
    """A copy of the version folder, without a warm-up file."""
    folder = tmp_path / "vae" / "1"
    shutil.copytree(model_base_path / "1", folder)
    (folder / warmup.FILE).unlink(missing_ok=True)
    return folder


@pytest.fixture
def servable(version):
    servable = Servable("vae", 1, version)
    yield servable
    servable.close()


def _record(z, signature="decode"):
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    request.inputs["z"].CopyFrom(tensors.to_proto(np.array(z, np.float32)))
    return log.SerializeToString()


def _write(folder, *records):
    path = folder / warmup.FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return path


def test_records_are_read_as_tensorflow_wrote_them(version):
    records = [b"", b"a", bytes(range(256)) * 9]
    assert list(warmup.read_records(_write(version, *records))) == records


@pytest.mark.parametrize("position", [0, 9, 13, -1])
def test_damaged_file_is_data_loss(position, version):
    path = _write(version, b"abc" * 5)
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    with pytest.raises(StatusError) as caught:
        list(warmup.read_records(path))
    assert caught.value.code == Code.DATA_LOSS
    path.write_bytes(data[:20])
    with pytest.raises(StatusError) as caught:
        list(warmup.read_records(path))
    assert caught.value.code == Code.DATA_LOSS


def test_requests_are_replayed(version, servable):
    assert warmup.replay(servable) == 0
    z = [[0.0, 0.0, 0.0]]
    _write(version, _record(z), _record(z))
    assert warmup.replay(servable) == 2


@pytest.mark.parametrize(
    "records, code",
    [
        ([b"\xff"], Code.INVALID_ARGUMENT),
        ([_record([[0.0]])], Code.INVALID_ARGUMENT),
        ([_record([[0.0, 0.0, 0.0]], "no")], Code.FAILED_PRECONDITION),
        ([_record([[0.0, 0.0, 0.0]])] * 1001, Code.INVALID_ARGUMENT),
    ],
    ids=["no message", "shape", "signature", "too many"],
)
def test_bad_records_fail(records, code, version, servable):
    _write(version, *records)
    with pytest.raises(StatusError) as caught:
        warmup.replay(servable)
    assert caught.value.code == code


def test_version_with_a_bad_record_does_not_replace_the_old_one(version):
    shutil.copytree(version, version.parent / "2")
    shutil.move(version.parent / "2", version.parent.parent / "2")
    options = WatchOptions(max_load_retries=1, retry_seconds=0.0)
    versions = Versions(ModelConfig("vae", version.parent), options)
    try:
        versions.poll()
        later = version.parent.parent / "2"
        _write(later, b"\xff")
        later.rename(version.parent / "2")
        for _ in range(3):
            versions.poll()
        states = versions.states()
        assert {v: s.state for v, s in states.items()} == {
            1: "AVAILABLE",
            2: "END",
        }
        # The first attempt and one more; then it is left alone.
        assert states[2].attempts == 2
        with versions.servable() as servable:
            assert servable.version == 1
        assert time.monotonic() > states[2].retry_time
    finally:
        versions.close()


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
