"""Writes a stream of answers to one file, without holding it in memory."""

import csv
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from keras_vae import plotting

__all__ = ["Answers", "write_csv", "write_pictures"]

Answers = Iterator[dict[str, np.ndarray]]


def write_csv(
    path: pathlib.Path, files: Sequence[pathlib.Path], answers: Answers
) -> None:
    """Writes a row for each file: its name, and the answers `[batch]`.

    The columns are the outputs of the first answer, in its order.
    """
    names, columns = iter(files), list[str]()
    with path.open(
        "w", newline="", encoding="utf-8", errors="backslashreplace"
    ) as stream:
        writer = csv.writer(stream)
        for batch in answers:
            if not columns:
                columns = list(batch)
                writer.writerow(["file", *columns])
            for values in zip(*(batch[name] for name in columns)):
                row = [f"{value:.6g}" for value in values]
                writer.writerow([next(names), *row])


def write_pictures(
    folder: pathlib.Path,
    answers: Answers,
    output: str,
    files: Sequence[pathlib.Path] | None,
    folders: Sequence[str] | None = None,
) -> None:
    """Writes each image of the answers as a PNG file, numbered.

    Args:
        folder: Where to.
        answers: Batches of arrays by name.
        output: The name of the images among them.
        files: Where given, the pictures are also named after these files.
        folders: Where given, the folder of each within `folder`.
    """
    number = 0
    for batch in answers:
        for image in batch[output]:
            stem = f"{number:06d}"
            if files is not None:
                stem += f"_{files[number].stem}"
            place = folder / folders[number] if folders else folder
            plotting.save_png(place / f"{stem}.png", image)
            number += 1
