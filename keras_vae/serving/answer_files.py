"""Writes a stream of answers to one file, without holding it in memory."""

import contextlib
import csv
import pathlib
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

import numpy as np

from keras_vae import plotting

__all__ = ["Answers", "write_csv", "write_npz", "write_pictures"]

Answers = Iterator[dict[str, np.ndarray]]


def write_csv(
    path: pathlib.Path, files: Sequence[pathlib.Path], answers: Answers
) -> None:
    """Writes a row for each file: its name, and the answers `[batch]`."""
    names = iter(files)
    with path.open(
        "w", newline="", encoding="utf-8", errors="backslashreplace"
    ) as stream:
        writer = csv.writer(stream)
        for number, batch in enumerate(answers):
            if not number:
                writer.writerow(["file", *batch])
            for values in zip(*batch.values()):
                row = [f"{value:.6g}" for value in values]
                writer.writerow([next(names), *row])


def write_npz(
    path: pathlib.Path,
    answers: Answers,
    num_rows: int,
    extra: Mapping[str, np.ndarray],
) -> None:
    """Writes the answers `[batch, ...]` as arrays `[num_rows, ...]`.

    Args:
        path: The file.
        answers: Batches of arrays by name.
        num_rows: Rows of all batches together.
        extra: More arrays by name.
    """
    with tempfile.TemporaryDirectory(
        prefix=".partial-", dir=path.parent
    ) as folder:
        # An archive takes one array after the other, so they wait in files.
        arrays = _spool(pathlib.Path(folder), answers, num_rows)
        with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
            for array in arrays:
                archive.write(array, array.name)
            for name, values in extra.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, values, allow_pickle=False)


def _spool(
    folder: pathlib.Path, answers: Answers, num_rows: int
) -> list[pathlib.Path]:
    """Writes each output to an .npy file as the batches come."""
    files: dict[str, IO[bytes]] = {}
    with contextlib.ExitStack() as stack:
        for batch in answers:
            for name, values in batch.items():
                if name not in files:
                    path = folder / f"{name}.npy"
                    files[name] = stack.enter_context(path.open("wb"))
                    _write_header(files[name], values, num_rows)
                files[name].write(np.ascontiguousarray(values).tobytes())
    return [folder / f"{name}.npy" for name in files]


def _write_header(file: IO[bytes], values: np.ndarray, num_rows: int) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(values.dtype),
        "fortran_order": False,
        "shape": (num_rows, *values.shape[1:]),
    }
    np.lib.format.write_array_header_1_0(file, header)


def write_pictures(
    folder: pathlib.Path,
    answers: Answers,
    output: str,
    files: Sequence[pathlib.Path] | None,
) -> None:
    """Writes each image of the answers as a PNG file, numbered.

    Args:
        folder: Where to.
        answers: Batches of arrays by name.
        output: The name of the images among them.
        files: Where given, the pictures are also named after these files.
    """
    number = 0
    for batch in answers:
        for image in batch[output]:
            stem = f"{number:06d}"
            if files is not None:
                stem += f"_{files[number].stem}"
            plotting.save_png(folder / f"{stem}.png", image)
            number += 1
