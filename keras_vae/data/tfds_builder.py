"""Finds a dataset of TFDS and prepares it, quietly and offline if need be."""

import contextlib
import hashlib
import io
import logging
import os
import pathlib
import re
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator

import filelock
import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging as absl_logging
from tensorflow_datasets.core.download import downloader
from tensorflow_datasets.core.download.download_manager import (
    NonMatchingChecksumError,
)
from tensorflow_datasets.core.download.extractor import (
    ExtractError,
    UnsafeArchiveError,
)
from tensorflow_datasets.core.utils import tqdm_utils

from keras_vae.config.data_config import IMAGE_FOLDER, DataConfig
from keras_vae.data.mnist_5k import Mnist5k
from keras_vae.data.provenance import proven
from keras_vae.errors import UserError, did_you_mean
from keras_vae.io.failures import failure_of_machine

__all__ = ["find_builder", "prepare", "prepared_builder", "quiet_tfds"]

# TFDS retries ten times with growing waits: without a network it takes more
# than three minutes to say so. Three retries take about two seconds.
_MAX_RETRIES = 3

# What a preparation raises where it cannot download, extract, read or write.
_FAILURES = (
    AssertionError,
    EOFError,
    ExtractError,
    ImportError,
    OSError,
    UnsafeArchiveError,
    ValueError,
    tarfile.TarError,
    tf.errors.OpError,
    tfds.download.DownloadError,
    zipfile.BadZipFile,
    zlib.error,
)

_OFFLINE_HELP = (
    "Without a network, put the prepared dataset into --data_dir or its "
    "original archives into --manual_dir, or use --dataset=mnist_5k."
)


def find_builder(config: DataConfig) -> tfds.core.DatasetBuilder:
    """Returns the builder of a dataset, prepared or not.

    Args:
        config: Gives `dataset` and `data_dir`.

    Raises:
        UserError: When there is no such dataset.
    """
    with quiet_tfds(), _passing_temporary_folder():
        return _find(config)


def prepared_builder(config: DataConfig) -> tfds.core.DatasetBuilder:
    """Returns the builder of a dataset that is ready to be read.

    Args:
        config: Gives `dataset`, `data_dir` and `manual_dir`.

    Raises:
        UserError: When there is no such dataset or it cannot be prepared.
            Nothing half-written is left in `data_dir`.
    """
    return prepare(find_builder(config), config)


def prepare(
    builder: tfds.core.DatasetBuilder, config: DataConfig
) -> tfds.core.DatasetBuilder:
    """Prepares a dataset, where that was not done before.

    Of several processes on a machine that need it at the same time one
    prepares it, and the others wait.

    Args:
        builder: What `find_builder` returned.
        config: Gives `dataset`, `data_dir` and `manual_dir`.

    Returns:
        The builder, ready to be read.

    Raises:
        UserError: When it cannot be prepared. Nothing half-written is left
            in `data_dir`.
    """
    manual_dir = _manual_dir(config)
    with quiet_tfds():
        if _is_ready(builder):
            return builder
    absl_logging.info(
        "Preparing %s in %s, this once.", config.dataset, builder.data_dir
    )
    with _lock(builder), quiet_tfds():
        if _is_ready(builder):  # Another process has done it meanwhile.
            return builder
        with _tidy_after_failure(builder):
            _prepare(builder, config, manual_dir)
    return builder


def _is_ready(builder: tfds.core.DatasetBuilder) -> bool:
    """Returns whether the data are there, and sees that the builder knows."""
    if not builder.is_prepared():
        return False
    if not builder.info.splits:
        builder.info.read_from_directory(builder.data_dir)
    return True


@contextlib.contextmanager
def _lock(builder: tfds.core.DatasetBuilder) -> Iterator[None]:
    """Locks a dataset's folder, for this machine and user."""
    folder = pathlib.Path(builder.data_dir_root).resolve() / builder.name
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    user = getattr(os, "getuid", int)()  # 0 on Windows.
    name = f"keras_vae-{user}-{digest}.lock"
    path = pathlib.Path(tempfile.gettempdir(), name)
    with filelock.FileLock(path):
        try:
            yield
        finally:
            # Who waits has the file open. Who comes later makes another one,
            # and finds the data ready.
            with contextlib.suppress(OSError):  # Windows.
                path.unlink(missing_ok=True)


def _manual_dir(config: DataConfig) -> str | None:
    if config.manual_dir is None:
        return None
    folder = pathlib.Path(config.manual_dir).expanduser()
    if not folder.is_dir():
        raise UserError(
            "manual_dir must be a folder with the dataset's original "
            f"archives. Received: manual_dir={config.manual_dir!r}"
        )
    return str(folder)


def _find(config: DataConfig) -> tfds.core.DatasetBuilder:
    data_dir = config.data_dir
    if data_dir is not None:
        data_dir = str(pathlib.Path(data_dir).expanduser())
    received = f"Received: dataset={config.dataset!r}"
    try:
        return tfds.builder(config.dataset, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError:
        raise UserError(
            f"dataset is unknown. {_name_hint(config.dataset)} {received}"
        ) from None
    except (AssertionError, ImportError, ValueError) as error:
        raise UserError(
            f"dataset cannot be used: {_brief(error)} {received}"
        ) from error


def _name_hint(name: str) -> str:
    own = [Mnist5k.name, IMAGE_FOLDER]
    names = tfds.list_builders(with_community_datasets=False)
    hint = did_you_mean(name.split("/")[0], {*names, *own})
    if hint.startswith("Did"):
        return hint
    return (
        "Use mnist_5k, image_folder or the name of an image dataset listed at "
        "https://www.tensorflow.org/datasets/catalog."
    )


def _prepare(
    builder: tfds.core.DatasetBuilder,
    config: DataConfig,
    manual_dir: str | None,
) -> None:
    received = (
        f"Received: dataset={config.dataset!r}, data_dir={config.data_dir!r}, "
        f"manual_dir={config.manual_dir!r}"
    )
    try:
        with proven(builder) as extract_dir:
            builder.download_and_prepare(
                download_config=tfds.download.DownloadConfig(
                    extract_dir=extract_dir,
                    manual_dir=manual_dir,
                    try_download_gcs=False,
                )
            )
    except NonMatchingChecksumError as error:
        raise UserError(f"{_checksum_message(error)} {received}") from error
    except UserError:
        raise
    except _FAILURES as error:
        failure = failure_of_machine(error)
        if failure is not None:
            raise failure from error
        raise UserError(
            f"dataset {config.dataset} could not be downloaded and prepared: "
            f"{_reason(error)} {_OFFLINE_HELP} {received}"
        ) from error


def _checksum_message(error: NonMatchingChecksumError) -> str:
    match = re.search(
        r"Artifact (.*?), downloaded to (.*?), has wrong", str(error), re.DOTALL
    )
    url, path = match.groups() if match else ("its source", "an archive")
    return (
        f"{path} is not the archive that the dataset needs: its SHA-256 or "
        f"size is wrong. Delete it and fetch it again from {url}."
    )


def _reason(error: BaseException) -> str:
    """Returns what is wrong in one short sentence."""
    # The text of a failed request is long, and for programmers.
    url = getattr(getattr(error, "request", None), "url", None)
    return f"{url} cannot be reached." if url else _brief(error)


def _brief(error: BaseException, length: int = 300) -> str:
    """Returns the error's text in one short sentence."""
    text = " ".join(str(error).split()) or type(error).__name__
    if len(text) > length:
        text = text[:length].rstrip() + "..."
    return text if text.endswith((".", "!", "?")) else text + "."


@contextlib.contextmanager
def quiet_tfds() -> Iterator[None]:
    """Silences TFDS, and has it give up early without a network."""
    urllib3 = logging.getLogger("urllib3.connectionpool")
    level, retries = urllib3.level, downloader.MAX_RETRIES
    progress_bar, verbosity = tqdm_utils._active, absl_logging.get_verbosity()
    absl_logging.set_verbosity(absl_logging.ERROR)
    urllib3.setLevel(logging.ERROR)
    downloader.MAX_RETRIES = _MAX_RETRIES
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        urllib3.setLevel(level)
        downloader.MAX_RETRIES = retries
        tqdm_utils._active = progress_bar
        absl_logging.set_verbosity(verbosity)


@contextlib.contextmanager
def _passing_temporary_folder() -> Iterator[None]:
    """Removes the temporary folder that TFDS makes to find a dataset."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = before


@contextlib.contextmanager
def _tidy_after_failure(builder: tfds.core.DatasetBuilder) -> Iterator[None]:
    """Removes what a failed preparation leaves in `data_dir`.

    Archives that were downloaded in full stay, so that the next attempt need
    not fetch them again.
    """
    root = pathlib.Path(builder.data_dir_root)
    root_existed = root.exists()
    before = _paths(root, builder.name)
    try:
        yield
    except BaseException:
        new = sorted(_paths(root, builder.name) - before, reverse=True)
        for path in new:
            if ".tmp." in path.name or ".incomplete" in path.name:
                _remove(path)
        for path in new:
            _remove_if_empty(path)
        if not root_existed:
            _remove_if_empty(root)
        raise


def _paths(root: pathlib.Path, name: str) -> set[pathlib.Path]:
    """Returns the paths in which preparing dataset `name` writes."""
    downloads = root / "downloads"
    paths = {downloads, downloads / name, root / name}
    for pattern in (f"{name}/*", f"{name}/*/*", f"downloads/{name}/*"):
        paths.update(root.glob(pattern))
    return {path for path in paths if path.exists()}


def _remove(path: pathlib.Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _remove_if_empty(path: pathlib.Path) -> None:
    with contextlib.suppress(OSError):
        path.rmdir()
