"""`predict`: image files in, pictures and tables out, through an export."""

import contextlib
import csv
import os
import pathlib
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_vae import plotting
from keras_vae.data import SUFFIXES, inspect_image, read_image
from keras_vae.errors import UserError, did_you_mean
from keras_vae.serving.exported import ExportedModel

__all__ = ["VERBS", "predict", "read_images"]

VERBS = ("reconstruct", "encode", "decode", "sample", "score")
_BATCH_SIZE = 256
_MAX_SEED = 2**31 - 1
# What NumPy raises for a file that is no .npz, is cut off, or lacks the array.
_NPZ_ERRORS = (
    EOFError,
    KeyError,
    OSError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
)
_SUFFIX = {
    "reconstruct": ".png",
    "sample": ".png",
    "decode": ".png",
    "encode": ".npz",
    "score": ".csv",
}


def read_images(
    inputs: Sequence[str], image_shape: tuple[int, int, int]
) -> tuple[list[pathlib.Path], np.ndarray]:
    """Reads image files, and the image files in folders.

    Args:
        inputs: Files and folders.
        image_shape: What each image must be, (height, width, channels).

    Returns:
        The paths, and the images float32 `[num, height, width, channels]` in
        [0, 1].

    Raises:
        UserError: If there is no image, one cannot be read, or one has another
            size.
    """
    paths: list[pathlib.Path] = []
    for name in inputs:
        path = pathlib.Path(name)
        if path.is_dir():
            paths += sorted(
                p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES
            )
        elif path.is_file():
            paths.append(path)
        else:
            raise UserError(f"There is no such file. Received: {name}")
    if not paths:
        raise UserError(
            "No image files: name PNG or JPEG files, or folders of them. "
            f"Received: {' '.join(inputs) or 'nothing'}"
        )
    for path in paths:
        file = inspect_image(path)
        if (file.height, file.width) != image_shape[:2]:
            raise UserError(
                f"The model takes images of {image_shape[0]}x{image_shape[1]} "
                "pixels (height x width): resize the file. Received: "
                f"{file.height}x{file.width} in {path}"
            )
    images = [read_image(path, image_shape[-1]) for path in paths]
    return paths, np.stack(images).astype(np.float32) / 255.0


def predict(
    model: ExportedModel,
    verb: str,
    inputs: Sequence[str],
    output: str | os.PathLike[str],
    *,
    num_images: int = 64,
    seed: int = 0,
    temperature: float = 1.0,
) -> pathlib.Path:
    """Asks an export and writes the answer as one file.

    Args:
        model: The export.
        verb: `reconstruct` (PNG: each image beside its reconstruction),
            `encode` (NPZ of the latents and the file names), `decode` (from
            such an NPZ back to a PNG), `sample` (PNG of new images) or
            `score` (CSV, nats per image).
        inputs: Image files or folders; an NPZ file for `decode`; nothing for
            `sample`.
        output: The file to write; its suffix must be that of the verb.
        num_images: Images that `sample` draws.
        seed: Row i of `sample` and `score` uses the seed `[seed, i]`.
        temperature: Multiplies the prior's standard deviation in `sample`.

    Returns:
        The path of the file.

    Raises:
        UserError: If the input or the output cannot be used.
    """
    if verb not in VERBS:
        raise UserError(
            f"Unknown command. {did_you_mean(verb, VERBS)} Received: {verb}"
        )
    path = pathlib.Path(output)
    if path.suffix != _SUFFIX[verb]:
        raise UserError(
            f"{verb} writes a {_SUFFIX[verb]} file. Received: --output={output}"
        )
    if not 0 <= seed <= _MAX_SEED:
        raise UserError(
            f"seed must be 0 ... {_MAX_SEED}. Received: seed={seed}"
        )
    if verb == "sample":
        _check_sampling(num_images, temperature)
        rows = {
            "seed": _row_seeds(seed, num_images),
            "temperature": np.full([num_images], temperature, np.float32),
        }
        _save_grid(path, _ask(model, "sample", rows)["image"])
        return path
    if verb == "decode":
        rows = {"z": _read_latents(inputs, model.metadata["latent_dim"])}
        _save_grid(path, _ask(model, "decode", rows)["image"])
        return path
    files, images = read_images(inputs, model.image_shape)
    rows = {"image": images}
    if verb == "reconstruct":
        answers = _ask(model, verb, rows)["reconstruction"]
        pairs = np.stack([images, answers], axis=1)
        _save_grid(path, pairs.reshape([-1, *model.image_shape]), columns=8)
    elif verb == "encode":
        codes: dict[str, Any] = _ask(model, verb, rows)
        codes["image_file"] = np.array([str(file) for file in files])
        _replace(path, lambda p: np.savez(p, **codes))
    else:
        rows["seed"] = _row_seeds(seed, len(images))
        scores = _ask(model, verb, rows)
        _replace(path, lambda p: _write_csv(p, files, scores))
    return path


def _ask(
    model: ExportedModel, signature: str, rows: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Asks in batches, so that memory does not grow with the input."""
    count = len(next(iter(rows.values())))
    answers = [
        model(signature, **{k: v[i : i + _BATCH_SIZE] for k, v in rows.items()})
        for i in range(0, count, _BATCH_SIZE)
    ]
    return {k: np.concatenate([a[k] for a in answers]) for k in answers[0]}


def _row_seeds(seed: int, count: int) -> np.ndarray:
    return np.stack(
        [np.full([count], seed, np.int32), np.arange(count, dtype=np.int32)], 1
    )


def _check_sampling(num_images: int, temperature: float) -> None:
    if num_images < 1:
        raise UserError(
            f"num_images must be at least 1. Received: num_images={num_images}"
        )
    if not 0 <= temperature < float("inf"):
        raise UserError(
            "temperature must be a finite number of at least 0. "
            f"Received: temperature={temperature}"
        )


def _read_latents(inputs: Sequence[str], latent_dim: int) -> np.ndarray:
    if len(inputs) != 1:
        raise UserError(
            "decode takes one .npz file with an array `mean` or `z`. "
            f"Received: {' '.join(inputs) or 'nothing'}"
        )
    try:
        # Opened here: NumPy leaves a file that is cut off open.
        with open(inputs[0], "rb") as file, np.load(file) as arrays:
            name = "mean" if "mean" in arrays else "z"
            z = np.asarray(arrays[name], np.float32)
    except _NPZ_ERRORS as error:
        raise UserError(
            "decode takes one .npz file with an array `mean` or `z`. "
            f"Received: {inputs[0]}"
        ) from error
    if z.ndim != 2 or not len(z) or z.shape[1] != latent_dim:
        raise UserError(
            f"The latents must have the shape [num, {latent_dim}]. "
            f"Received: {list(z.shape)} in {inputs[0]}"
        )
    if not np.isfinite(z).all():
        raise UserError(
            "The latents must be finite. Received: NaN or infinity in "
            f"{inputs[0]}"
        )
    return z


def _save_grid(
    path: pathlib.Path, images: np.ndarray, columns: int | None = None
) -> None:
    _replace(
        path,
        lambda p: plotting.save_png(p, plotting.image_grid(images, columns), 2),
    )


def _write_csv(
    path: pathlib.Path, files: list[pathlib.Path], answers: dict[str, Any]
) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", *answers])
        for row, name in enumerate(files):
            values = [f"{values[row]:.6g}" for values in answers.values()]
            writer.writerow([name, *values])


def _replace(path: pathlib.Path, write: Any) -> None:
    """Calls `write` on a path beside `path`, then renames: all or nothing."""
    partial = path.with_name(f".partial-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise UserError(
            f"The output cannot be written. Received: --output={path} "
            f"({error.strerror})"
        ) from error
