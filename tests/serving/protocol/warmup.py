"""Replays the requests that an export carries, before it answers others.

References:
    tensorflow_serving/servables/tensorflow/saved_model_warmup_util.cc
    tensorflow/core/lib/io/record_reader.h: the file's format
"""

import functools
import pathlib
import struct
from collections.abc import Iterator

from google.protobuf import message
from tensorflow_serving.apis import prediction_log_pb2

from tests.serving.protocol import tensors
from tests.serving.protocol.servable import Servable
from tests.serving.protocol.status import Code, StatusError

__all__ = ["FILE", "read_records", "replay"]

FILE = pathlib.PurePath("assets.extra", "tf_serving_warmup_requests")
_MAX_RECORDS = 1000
_HEADER = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")


def replay(servable: Servable) -> int:
    """Runs the requests of the warm-up file, if there is one.

    Args:
        servable: The loaded version.

    Returns:
        The number of requests.

    Raises:
        StatusError: If a record is bad, or a request fails.
    """
    path = servable.path / FILE
    if not path.exists():
        return 0
    count = 0
    for count, record in enumerate(read_records(path), 1):
        try:
            log = prediction_log_pb2.PredictionLog.FromString(record)
        except message.DecodeError as error:
            raise StatusError(
                Code.INVALID_ARGUMENT, f"Failed to parse warmup record: {path}"
            ) from error
        kind = log.WhichOneof("log_type")
        if kind == "predict_log":
            request = log.predict_log.request
            arrays = {
                name: tensors.from_proto(name, proto)
                for name, proto in request.inputs.items()
            }
            servable.predict(
                request.model_spec.signature_name,
                arrays,
                list(request.output_filter),
            )
        elif kind is not None:
            raise StatusError(
                Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}"
            )
        if count > _MAX_RECORDS:
            raise StatusError(
                Code.INVALID_ARGUMENT,
                "Number of warmup records exceeds the maximum "
                f"({_MAX_RECORDS}) at {path}",
            )
    return count


def read_records(path: pathlib.Path) -> Iterator[bytes]:
    """Yields the records of a TFRecord file.

    Raises:
        StatusError: If the file is cut off or damaged.
    """
    data = memoryview(path.read_bytes())
    while data:
        size, checksum = _HEADER.unpack(_take(data, 0, _HEADER.size, path))
        _check(data[:8], checksum, path)
        record = _take(data, _HEADER.size, size, path)
        end = _HEADER.size + size
        (checksum,) = _CHECKSUM.unpack(_take(data, end, 4, path))
        _check(record, checksum, path)
        yield bytes(record)
        data = data[end + 4 :]


def _take(
    data: memoryview, start: int, size: int, path: pathlib.Path
) -> memoryview:
    if len(data) < start + size:
        raise StatusError(
            Code.DATA_LOSS,
            f"truncated record in {path}. Please verify your warmup data is "
            "in TFRecord format.",
        )
    return data[start : start + size]


def _check(data: memoryview, expected: int, path: pathlib.Path) -> None:
    checksum = _crc32c(data)
    # Rotated by 15 bits and offset, so that a checksum of data that holds
    # checksums is sound.
    masked = ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF
    if masked != expected:
        raise StatusError(
            Code.DATA_LOSS,
            f"corrupted record in {path}. Please verify your warmup data is "
            "in TFRecord format.",
        )


@functools.cache
def _table() -> tuple[int, ...]:
    """Remainders of all bytes by the Castagnoli polynomial, reflected."""
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


def _crc32c(data: memoryview) -> int:
    table = _table()
    checksum = 0xFFFFFFFF
    for byte in data:
        checksum = checksum >> 8 ^ table[(checksum ^ byte) & 0xFF]
    return checksum ^ 0xFFFFFFFF
