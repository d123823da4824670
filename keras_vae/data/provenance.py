"""What a prepared TFDS dataset was made from: its archives' checksums.

TFDS finds an archive that it has extracted before by the archive's file name.
Where two datasets have archives of equal names, as MNIST and Fashion-MNIST do,
the second one would get the first one's images. So each preparation extracts
into a folder of its own, hashes every archive where it lies, and writes down
beside the data what they were and what became of them.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow_datasets as tfds
from tensorflow_datasets.core.download.checksums import compute_url_info

from keras_vae.data.contents import file_digests
from keras_vae.errors import UserError

__all__ = [
    "Provenance",
    "proven",
    "read_provenance",
    "write_provenance",
]

_FILE = "provenance.json"


@dataclasses.dataclass(frozen=True)
class Provenance:
    """What a prepared dataset was made from, and what became of it.

    Attributes:
        archives: SHA-256 of each archive by its URL or file name.
        files: Digest of each record file, of `contents.file_digests`.
    """

    archives: Mapping[str, str]
    files: Mapping[str, str]


@contextlib.contextmanager
def proven(builder: tfds.core.DatasetBuilder) -> Iterator[str]:
    """Has a preparation within it use verified archives and nothing else.

    Yields:
        The folder to extract archives into: empty now, gone afterwards.
    """
    # One preparation of a dataset at a time has it; see `prepare`.
    folder = pathlib.Path(builder.data_dir_root, "downloads", "extracted")
    folder /= builder.name
    prepare_files = builder._download_and_prepare

    def prepare_and_record(dl_manager, **kwargs):
        _hash_every_archive(dl_manager)
        prepare_files(dl_manager=dl_manager, **kwargs)
        archives = {
            url: info.checksum
            for url, info in dl_manager._recorded_url_infos.items()
        }
        # Beside the record files, in a folder that is not yet renamed.
        write_provenance(
            builder.data_dir, {**archives, **getattr(builder, "archives", {})}
        )

    shutil.rmtree(folder, ignore_errors=True)  # Of a process that was killed.
    builder._download_and_prepare = prepare_and_record
    try:
        yield str(folder)
    finally:
        del builder._download_and_prepare
        shutil.rmtree(folder, ignore_errors=True)
        for empty in (folder.parent, folder.parent.parent):
            with contextlib.suppress(OSError):
                empty.rmdir()


def _hash_every_archive(dl_manager: Any) -> None:
    """Has archives that were downloaded earlier hashed too."""
    validate = dl_manager._register_or_validate_checksums

    def hash_and_validate(url, url_info, path):
        del url_info  # What the file was when it was downloaded.
        validate(url=url, url_info=compute_url_info(path), path=path)

    dl_manager._register_or_validate_checksums = hash_and_validate


def write_provenance(
    folder: str | os.PathLike[str], archives: Mapping[str, str]
) -> None:
    """Writes down what the record files in a folder are, and come from.

    Args:
        folder: The folder of one version of a dataset.
        archives: SHA-256 of each archive by its URL or file name.
    """
    root = pathlib.Path(folder)
    names = sorted(path.name for path in root.glob("*.tfrecord*"))
    provenance = Provenance(dict(archives), file_digests(root, names))
    content = json.dumps(dataclasses.asdict(provenance), indent=2)
    (root / _FILE).write_text(content + "\n")


def read_provenance(folder: str | os.PathLike[str]) -> Provenance | None:
    """Returns what `write_provenance` wrote, or None where it did not.

    Raises:
        UserError: If the file is damaged.
    """
    path = pathlib.Path(folder, _FILE)
    try:
        content = json.loads(path.read_text())
        provenance = Provenance(**content)
        for table in (provenance.archives, provenance.files):
            if not isinstance(table, dict):
                raise TypeError("must be tables of strings")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            "The record of a prepared dataset is damaged: remove its folder, "
            f"and it is prepared again. Received: {path} ({error})"
        ) from error
    return provenance
