"""`predict`: image files in, pictures and tables out, through a client."""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import TextIO

import numpy as np

from keras_vae import plotting
from keras_vae.errors import UserError, did_you_mean
from keras_vae.io import outputs, sizes
from keras_vae.io.npz_files import write_npz
from keras_vae.labels import Label, class_folders
from keras_vae.progress import ImageBar
from keras_vae.serving.answer_files import (
    Answers,
    write_csv,
    write_pictures,
)
from keras_vae.serving.client import Client
from keras_vae.serving.image_inputs import find_images, load_images
from keras_vae.serving.latent_files import read_latents
from keras_vae.serving.request_rows import row_seeds
from keras_vae.serving.row_labels import labels_of_rows
from keras_vae.serving.setting_checks import check_temperature, whole_number

__all__ = ["VERBS", "predict"]

VERBS = ("reconstruct", "encode", "decode", "sample", "score")
_SUFFIXES = {
    "reconstruct": (".png", ""),
    "sample": (".png", ""),
    "decode": (".png", ""),
    "encode": (".npz",),
    "score": (".csv",),
}
# The output that is a picture.
_PICTURE = {
    "reconstruct": "reconstruction",
    "sample": "image",
    "decode": "image",
}
_MAX_IMAGES = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class _Rows:
    """What is asked.

    Attributes:
        num: How many rows there are.
        batch: (start, stop) -> inputs of those rows by name.
        labels: int32 [num]; None for a model without classes.
        files: The file of each row, where rows are files.
    """

    num: int
    batch: Callable[[int, int], dict[str, np.ndarray]]
    labels: np.ndarray | None
    files: list[pathlib.Path] | None = None


def predict(
    client: Client,
    verb: str,
    inputs: Sequence[str],
    output: str | os.PathLike[str],
    *,
    num_images: int = 64,
    seed: int = 0,
    temperature: float = 1.0,
    label: Label | None = None,
    stream: TextIO | None = None,
) -> pathlib.Path:
    """Asks a model and writes the answers, whole or not at all.

    Files are read while others are answered, and memory does not grow with
    their number. On a terminal a bar shows the progress.

    Args:
        client: Asks the model.
        verb: `reconstruct` (PNG: each image beside its reconstruction),
            `encode` (NPZ of the latents and the file names), `decode` (from
            such an NPZ back to a PNG), `sample` (PNG of new images) or
            `score` (CSV, nats per image).
        inputs: Image files or folders; an NPZ file for `decode`; nothing for
            `sample`.
        output: The file to write; its suffix must be that of the verb. Where
            that is PNG, a name without a suffix is a folder that gets a file
            for each image, in a folder for each class that is drawn.
        num_images: Images that `sample` draws.
        seed: Row i of `sample` and `score` uses the seed `[seed, i]`.
        temperature: Multiplies the prior's standard deviation in `sample`.
        label: For a conditional model: a class, by name or number, for all
            rows, or one for each, which `sample` takes in turn; `"folders"`
            for the class that each file's folder is named after; None in
            `decode` for those that `encode` wrote.
        stream: Where progress is shown; standard error unless given.

    Returns:
        The path of the file or folder.

    Raises:
        UserError: If the input or the output cannot be used, or the model
            does not answer.
    """
    if verb not in VERBS:
        raise UserError(
            f"Unknown command. {did_you_mean(verb, VERBS)} Received: {verb}"
        )
    path = outputs.check_suffix(output, _SUFFIXES[verb], verb)
    if not path.suffix:
        outputs.check_free_folder(path)
    row_seeds(seed, 1)
    if verb == "sample":
        _check_sampling(inputs, num_images, temperature)
        if not path.suffix:
            sizes.check_disk(
                path,
                num_images * sizes.FILE_BYTES,
                f"{num_images:,} files",
                f"num_images={num_images}",
            )
        rows = _sample_rows(client, num_images, seed, temperature, label)
    elif verb == "decode":
        rows = _latent_rows(client, inputs, label)
    else:
        rows = _image_rows(client, verb, inputs, seed, label)
    if path.suffix == ".png":
        _check_grid(client, verb, rows)
    answers = _shown(_answers(client, verb, rows), rows.num, stream)
    _write(client, verb, rows, answers, path)
    return path


def _check_sampling(
    inputs: Sequence[str], num_images: int, temperature: float
) -> None:
    if inputs:
        raise UserError(f"sample takes no files. Received: {' '.join(inputs)}")
    whole_number("num_images", num_images, 1, _MAX_IMAGES)
    check_temperature(temperature)


def _sample_rows(
    client: Client, num: int, seed: int, temperature: float, label: Label | None
) -> _Rows:
    def batch(start: int, stop: int) -> dict[str, np.ndarray]:
        scale = np.full([stop - start], temperature, np.float32)
        seeds = row_seeds(seed, stop - start, start)
        return {"seed": seeds, "temperature": scale}

    return _Rows(num, batch, labels_of_rows(client, label, num, repeat=True))


def _image_rows(
    client: Client,
    verb: str,
    inputs: Sequence[str],
    seed: int,
    label: Label | None,
) -> _Rows:
    files = find_images(inputs, client.image_shape)
    channels = client.image_shape[-1]

    def batch(start: int, stop: int) -> dict[str, np.ndarray]:
        rows = {"image": load_images(files[start:stop], channels)}
        if verb == "score":
            rows["seed"] = row_seeds(seed, stop - start, start)
        return rows

    labels = labels_of_rows(client, label, len(files), files=files)
    return _Rows(len(files), batch, labels, files)


def _latent_rows(
    client: Client, inputs: Sequence[str], label: Label | None
) -> _Rows:
    if len(inputs) != 1:
        raise UserError(
            "decode takes one .npz file with an array `mean` or `z`. "
            f"Received: {' '.join(inputs) or 'nothing'}"
        )
    with_labels = label is None and client.is_conditional
    z, written = read_latents(inputs[0], client.latent_dim, with_labels)
    if with_labels:
        label = written
    return _Rows(
        len(z),
        lambda start, stop: {"z": z[start:stop]},
        labels_of_rows(client, label, len(z)),
    )


def _check_grid(client: Client, verb: str, rows: _Rows) -> None:
    sizes.check_picture(
        rows.num * (1 + (verb == "reconstruct")),
        client.image_shape,
        f"{rows.num:,} rows",
        "name a folder, without a suffix, as the output",
    )


def _answers(client: Client, verb: str, rows: _Rows) -> Answers:
    step = client.rows_per_request(verb)

    def batch(start: int) -> dict[str, np.ndarray]:
        stop = min(start + step, rows.num)
        inputs = rows.batch(start, stop)
        if rows.labels is not None:
            inputs["label"] = rows.labels[start:stop]
        return inputs

    return client.ask_batches(verb, map(batch, range(0, rows.num, step)))


def _shown(answers: Answers, total: int, stream: TextIO | None) -> Answers:
    with ImageBar(total, "answered", stream) as bar:
        for answer in answers:
            yield answer
            bar.update(len(next(iter(answer.values()))))


def _folders(client: Client, labels: np.ndarray) -> list[str]:
    """Returns the folder of each row, of its class."""
    names = client.class_names
    if names is None:
        return [str(label) for label in labels]
    folders = class_folders(names)
    return [folders[label] for label in labels]


def _write(
    client: Client,
    verb: str,
    rows: _Rows,
    answers: Answers,
    path: pathlib.Path,
) -> None:
    files = rows.files or []
    if verb == "score":
        outputs.replace_file(path, lambda p: write_csv(p, files, answers))
    elif verb == "encode":
        extra = {"image_file": np.array([str(file) for file in files])}
        if rows.labels is not None:
            extra["label"] = rows.labels
        outputs.replace_file(
            path, lambda p: write_npz(p, answers, rows.num, extra)
        )
    elif not path.suffix:
        name = _PICTURE[verb]
        folders = None
        if rows.labels is not None and rows.files is None:
            folders = _folders(client, rows.labels)
        outputs.write_folder(
            path,
            lambda p: write_pictures(p, answers, name, rows.files, folders),
        )
    else:
        images = np.concatenate([a[_PICTURE[verb]] for a in answers])
        columns = None
        if verb == "reconstruct":
            originals = load_images(files, client.image_shape[-1])
            images, columns = plotting.side_by_side(originals, images), 8
        plotting.save_grid(path, images, columns)
