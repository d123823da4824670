"""Writes a stream of answers, without holding it in memory."""

import csv
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TextIO

import numpy as np

from keras_vae import plotting
from keras_vae.io import outputs, sizes
from keras_vae.io.npz_files import write_npz
from keras_vae.labels import class_folders
from keras_vae.progress import ImageBar
from keras_vae.use.target import Answers

__all__ = [
    "check_images_fit",
    "numbered_files",
    "shown",
    "write_csv",
    "write_images",
]


def shown(answers: Answers, total: int, stream: TextIO | None) -> Answers:
    """Yields the answers, with a bar that tells how many rows they have."""
    with ImageBar(total, "answered", stream) as bar:
        for answer in answers:
            yield answer
            bar.update(len(next(iter(answer.values()))))


def check_images_fit(
    path: pathlib.Path,
    num_images: int,
    image_shape: tuple[int, int, int],
    received: str,
) -> None:
    """Raises UserError if so many images do not fit where they shall go."""
    what = f"{num_images:,} images"
    if path.suffix.lower() == ".png":
        advice = "name a folder, without a suffix, or an .npz file"
        sizes.check_picture(num_images, image_shape, received, advice)
    elif path.suffix:
        # Float32 values, the seed and the class; twice, see `write_npz`.
        image = 4 * int(np.prod(image_shape)) + 12
        sizes.check_disk(path, 2 * num_images * image, what, received)
    else:
        needed = num_images * sizes.FILE_BYTES
        sizes.check_disk(path, needed, what, received)


def numbered_files(
    num_images: int,
    labels: np.ndarray | None,
    class_names: Sequence[str] | None,
) -> Iterator[str]:
    """Yields the file of each image, in a folder of its class if it has one.

    A folder of such folders is what `image_folder` reads.
    """
    folders = class_folders(class_names or ())
    for number in range(num_images):
        name = f"{number:06d}.png"
        if labels is not None:
            found = labels[number]
            name = f"{folders[found] if folders else found}/{name}"
        yield name


def write_images(
    path: pathlib.Path,
    answers: Answers,
    names: Sequence[str] | Iterator[str],
    num: int,
    arrays: Mapping[str, np.ndarray],
    columns: int | None = None,
) -> None:
    """Writes images whole or not at all: a grid, an NPZ file, or a folder.

    Args:
        path: Where to; its suffix says what.
        answers: Batches of one array of images, by its name.
        names: The file of each in a folder.
        num: How many images there are.
        arrays: What else an NPZ file holds.
        columns: Of the grid.
    """
    if not path.suffix:
        outputs.write_folder(path, lambda f: _write_each(f, answers, names))
    elif path.suffix.lower() == ".png":
        images = np.concatenate(list(_images(answers)))
        plotting.save_grid(path, images, columns)
    else:
        outputs.replace_file(path, lambda p: write_npz(p, answers, num, arrays))


def write_csv(
    path: pathlib.Path,
    columns: Mapping[str, Sequence[object]],
    answers: Answers,
) -> None:
    """Writes a row for each image: what is known of it, and its answers.

    The last columns are the outputs of the first answer, in its order.

    Args:
        path: The file.
        columns: What is known by name, one value for each row.
        answers: Batches of arrays `[batch]` by name.
    """
    known, outputs_of = zip(*columns.values()), list[str]()
    with path.open(
        "w", newline="", encoding="utf-8", errors="backslashreplace"
    ) as stream:
        writer = csv.writer(stream)
        for batch in answers:
            if not outputs_of:
                outputs_of = list(batch)
                writer.writerow([*columns, *outputs_of])
            for values in zip(*(batch[name] for name in outputs_of)):
                figures = [f"{value:.6g}" for value in values]
                writer.writerow([*next(known), *figures])


def _images(answers: Answers) -> Iterator[np.ndarray]:
    for answer in answers:
        (images,) = answer.values()
        yield images


def _write_each(
    folder: pathlib.Path, answers: Answers, names: Sequence[str] | Iterator[str]
) -> None:
    remaining = iter(names)
    for images in _images(answers):
        for image in images:
            plotting.save_png(folder / next(remaining), image)
