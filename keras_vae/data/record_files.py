"""The TFRecord files of a split, and whether they are whole."""

import dataclasses
import mmap
import os
import pathlib
import struct
from collections.abc import Callable, Sequence

import tensorflow as tf

from keras_vae.errors import UserError

__all__ = ["RecordFiles"]

# Of a record: its length and the checksum of that, then a checksum of itself.
_HEADER_BYTES, _FOOTER_BYTES = 12, 4
_REMEDY = (
    "remove the folder that it lies in, and the dataset is prepared again."
)


@dataclasses.dataclass(frozen=True)
class RecordFiles:
    """The files of one split of a TFDS dataset.

    Attributes:
        paths: The files, in order.
        lengths: Number of records in each.
        num_bytes: Bytes of all records together.
        decode: From a serialized record to (image: uint8 [H, W, C], label:
            int64).
    """

    paths: Sequence[str]
    lengths: Sequence[int]
    num_bytes: int
    decode: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]

    def check(self) -> None:
        """Counts the records by their headers; nothing is decoded.

        Raises:
            UserError: If a file is missing or cut, or the records are not as
                many, or not as long together, as the dataset says.
        """
        total = 0
        for path, length in zip(self.paths, self.lengths, strict=True):
            count, num_bytes = _count_records(pathlib.Path(path))
            if count != length:
                raise UserError(
                    f"A record file has {count:,} of its {length:,} records; "
                    f"{_REMEDY} Received: {path}"
                )
            total += num_bytes
        if total != self.num_bytes:
            raise UserError(
                f"Record files have {total:,} bytes of records, and the "
                f"dataset is of {int(self.num_bytes):,}: they are of another "
                f"dataset; {_REMEDY} Received: {self.paths[0]}"
            )


def _count_records(path: pathlib.Path) -> tuple[int, int]:
    """Returns how many records a file has, and their bytes."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if not size:  # Which cannot be mapped.
                return 0, 0
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _walk(data, size, path)
    except OSError as error:
        raise UserError(
            f"A record file cannot be read ({error.strerror}); {_REMEDY} "
            f"Received: {path}"
        ) from error


def _walk(data: mmap.mmap, size: int, path: pathlib.Path) -> tuple[int, int]:
    count = num_bytes = offset = 0
    while offset + _HEADER_BYTES <= size:
        (length,) = struct.unpack_from("<Q", data, offset)
        offset += _HEADER_BYTES + length + _FOOTER_BYTES
        count += 1
        num_bytes += length
    if offset != size:
        raise UserError(
            f"A record file ends in the midst of a record; {_REMEDY} "
            f"Received: {path}"
        )
    return count, num_bytes
