"""NPZ files that are written batch by batch, in little memory."""

import contextlib
import pathlib
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from typing import IO

import numpy as np

from keras_vae.io.partials import PREFIX, locked

__all__ = ["Batches", "write_npz"]

Batches = Iterable[Mapping[str, np.ndarray]]


def write_npz(
    path: pathlib.Path,
    batches: Batches,
    num_rows: int,
    extra: Mapping[str, np.ndarray],
) -> None:
    """Writes rows that come in batches as arrays `[num_rows, ...]`.

    Until the file is whole it takes twice its size on disk.

    Args:
        path: The file.
        batches: Batches of arrays by name.
        num_rows: Rows of all batches together.
        extra: More arrays by name.
    """
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix=PREFIX, dir=path.parent)
            )
        )
        stack.enter_context(locked(folder))
        # An archive takes one array after the other, so they wait in files.
        arrays = _spool(folder, batches, num_rows)
        with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
            for array in arrays:
                archive.write(array, array.name)
            for name, values in extra.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, values, allow_pickle=False)


def _spool(
    folder: pathlib.Path, batches: Batches, num_rows: int
) -> list[pathlib.Path]:
    """Writes each output to an .npy file as the batches come."""
    files: dict[str, IO[bytes]] = {}
    with contextlib.ExitStack() as stack:
        for batch in batches:
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
