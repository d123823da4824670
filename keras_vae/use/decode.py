"""`decode`: the images of latents."""

import os
from collections.abc import Iterator, Sequence
from typing import TextIO

import numpy as np

from keras_vae.errors import UserError
from keras_vae.io import outputs
from keras_vae.labels import Label
from keras_vae.serving.client import Client
from keras_vae.serving.row_labels import labels_of_rows
from keras_vae.training import TrainedModel
from keras_vae.use.answer_files import (
    check_images_fit,
    numbered_files,
    shown,
    write_images,
)
from keras_vae.use.latent_files import read_latents
from keras_vae.use.row_classes import class_arrays
from keras_vae.use.target import Target, target_of
from keras_vae.use.verb_outputs import check_output

__all__ = ["decode"]


def decode(
    model: TrainedModel | Client | Target,
    inputs: Sequence[str],
    output: str | os.PathLike[str],
    *,
    label: Label | None = None,
    stream: TextIO | None = None,
) -> outputs.Written:
    """Decodes latents, such as `encode` wrote.

    Args:
        model: The model of a run, or a client of an export.
        inputs: One NPZ file with an array `mean` or `z`, `[num, latent_dim]`.
        output: A PNG file (one grid), an NPZ file (an array `image`, and where
            there are classes `label` and `class_names`), or a folder (a PNG
            file for each image, in a folder for each class), by its suffix.
        label: Class of all rows or of each, for a conditional model; None for
            those in the file, in `label`.
        stream: Where progress is shown; standard error unless given.

    Returns:
        What was written.

    Raises:
        UserError: If the model, the latents or the output cannot be used.
    """
    path = check_output("decode", output)
    target = target_of(model)
    target.check_can("decode")
    if len(inputs) != 1:
        raise UserError(
            "decode takes one .npz file with an array `mean` or `z`. "
            f"Received: {' '.join(inputs) or 'nothing'}"
        )
    in_file = label is None and target.is_conditional
    z, written = read_latents(
        inputs[0], target.latent_dim, in_file, target.class_names
    )
    num = len(z)
    labels = labels_of_rows(target, written if in_file else label, num)
    check_images_fit(path, num, target.image_shape, f"{num:,} rows")
    step = target.rows_per_request("decode")

    def batches() -> Iterator[dict[str, np.ndarray]]:
        for start in range(0, num, step):
            batch = {"z": z[start : start + step]}
            if labels is not None:
                batch["label"] = labels[start : start + step]
            yield batch

    answers = shown(target.ask_batches("decode", batches()), num, stream)
    names = numbered_files(num, labels, target.class_names)
    arrays = class_arrays(labels, target.class_names)
    write_images(path, answers, names, num, arrays)
    return outputs.Written((path,))
