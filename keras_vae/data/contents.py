"""What a dataset is made of, so that a change of it is noticed."""

import concurrent.futures
import dataclasses
import functools
import hashlib
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from keras_vae.errors import UserError

__all__ = ["Contents", "array_digest", "describe_changes", "file_digests"]

_SPLITS = ("train", "validation", "test")
_DIGEST_BYTES = 16
_BLOCK_BYTES = 2**20
_THREADS = 4
_NAMES_SHOWN = 3


@dataclasses.dataclass(frozen=True)
class Contents:
    """What a dataset is made of.

    Attributes:
        digests: Digest of each part by its name: of image files, as their path
            in the folder; of record files; or of the arrays of each split.
        splits: Split of each image file, where the splits are cut from one
            folder; else empty.
        former: Split by digest of image files that are no longer there.
        archives: SHA-256, by URL or name, of the archives that a TFDS dataset
            was prepared from.
    """

    digests: Mapping[str, str]
    splits: Mapping[str, str] = dataclasses.field(default_factory=dict)
    former: Mapping[str, str] = dataclasses.field(default_factory=dict)
    archives: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def split_by_digest(self) -> dict[str, str]:
        """Split of each image, also of those that are gone.

        Of equal images in several splits, the first of training, validation
        and test.
        """
        pairs = [
            *self.former.items(),
            *((self.digests[name], s) for name, s in self.splits.items()),
        ]
        pairs.sort(key=lambda pair: _SPLITS.index(pair[1]), reverse=True)
        return dict(pairs)

    def to_dict(self) -> dict[str, Any]:
        """Returns nested dicts that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, content: Any) -> "Contents":
        """Returns the contents that `to_dict` described.

        Raises:
            ValueError: If it describes none.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        if not isinstance(content, dict) or set(content) != set(names):
            raise ValueError(f"must have the entries {', '.join(names)}")
        for name in names:
            table = content[name]
            if not isinstance(table, dict) or not all(
                isinstance(value, str) for value in table.values()
            ):
                raise ValueError(f"{name} must be a table of strings")
        contents = cls(**content)
        used = {*contents.splits.values(), *contents.former.values()}
        unknown = sorted(used - set(_SPLITS))
        if unknown:
            raise ValueError(f"there is no split {unknown[0]!r}")
        unknown = sorted(contents.splits.keys() - contents.digests.keys())
        if unknown:
            raise ValueError(f"{unknown[0]!r} has a split, but no digest")
        return contents


def describe_changes(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Returns what was added, removed and changed; "" where nothing was.

    Args:
        old: Digest of each part by its name.
        new: The same, later.

    Example:
        >>> describe_changes({"a": "1", "b": "2"}, {"b": "3", "c": "4"})
        '1 added (c), 1 removed (a), 1 changed (b)'
    """
    found = {
        "added": sorted(new.keys() - old.keys()),
        "removed": sorted(old.keys() - new.keys()),
        "changed": sorted(n for n in old.keys() & new if old[n] != new[n]),
    }
    parts = []
    for verb, names in found.items():
        if names:
            shown = ", ".join(names[:_NAMES_SHOWN])
            more = len(names) - _NAMES_SHOWN
            rest = f" and {more:,} more" if more > 0 else ""
            parts.append(f"{len(names):,} {verb} ({shown}{rest})")
    return ", ".join(parts)


def file_digests(
    folder: str | os.PathLike[str], names: Iterable[str]
) -> dict[str, str]:
    """Returns the digest of each file: its size and a hash of its bytes.

    10,000 image files of 3 kB take about half a second; a GiB of large files
    takes about a second.

    Args:
        folder: Where the files are.
        names: Their paths in the folder.

    Raises:
        UserError: If one cannot be read.
    """
    names = list(names)
    root = pathlib.Path(folder)
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        digests = pool.map(lambda name: _file_digest(root / name), names)
        return dict(zip(names, digests, strict=True))


def _file_digest(path: pathlib.Path) -> str:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    try:
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise UserError(
            f"The file cannot be read ({error.strerror}). Received: {path}"
        ) from error
    return f"{size}-{digest.hexdigest()}"


def array_digest(array: np.ndarray) -> str:
    """Returns the digest of an array: its shape, type and values."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    digest.update(np.ascontiguousarray(array).data)
    shape = "x".join(map(str, array.shape))
    return f"{shape}-{array.dtype.name}-{digest.hexdigest()}"
