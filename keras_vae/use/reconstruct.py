"""`reconstruct`: images beside what the model makes of them."""

import os
import pathlib
from typing import TextIO

import numpy as np

from keras_vae import plotting
from keras_vae.io import outputs
from keras_vae.serving.client import Client
from keras_vae.training import TrainedModel
from keras_vae.use.answer_files import check_images_fit, shown, write_images
from keras_vae.use.image_rows import ImageRows
from keras_vae.use.row_classes import class_arrays
from keras_vae.use.source import ImageSource
from keras_vae.use.target import Target, target_of
from keras_vae.use.verb_outputs import check_output

__all__ = ["reconstruct"]

_NUM_IMAGES = 32
_PAIRS_IN_A_ROW = 4


def reconstruct(
    model: TrainedModel | Client | Target,
    source: ImageSource,
    output: str | os.PathLike[str],
    *,
    stream: TextIO | None = None,
) -> outputs.Written:
    """Writes what a model makes of images.

    Args:
        model: The model of a run, or a client of an export.
        source: The images; of a split 32 unless it says how many.
        output: A PNG file (each image beside its reconstruction), an NPZ file
            (arrays `reconstruction` and `image`, the names, and where the
            classes are known `label` and `class_names`), or a folder (a
            PNG file for each reconstruction, named after its image), by its
            suffix. Files and folders are written as the answers come, in
            little memory.
        stream: Where progress is shown; standard error unless given.

    Returns:
        What was written.

    Raises:
        UserError: If the model, the images or the output cannot be used.
    """
    path = check_output("reconstruct", output)
    target = target_of(model)
    target.check_can("reconstruct")
    rows = source.rows(target, default_num_images=_NUM_IMAGES)
    as_pairs = path.suffix.lower() == ".png"
    num = len(rows)
    check_images_fit(
        path, num * (1 + as_pairs), target.image_shape, f"{num:,} images"
    )
    batches = rows.batches(target, "reconstruct")
    answers = shown(target.ask_batches("reconstruct", batches), num, stream)
    if as_pairs:
        found = [answer["reconstruction"] for answer in answers]
        pairs = plotting.side_by_side(rows.read(0, num), np.concatenate(found))
        plotting.save_grid(path, pairs, 2 * _PAIRS_IN_A_ROW)
    else:
        arrays = {
            "image": np.array(rows.names),
            **class_arrays(rows.labels, rows.class_names),
        }
        write_images(path, answers, _file_names(rows), num, arrays)
    return outputs.Written((path,))


def _file_names(rows: ImageRows) -> list[str]:
    return [
        f"{number:06d}_{pathlib.Path(name).stem}.png"
        for number, name in enumerate(rows.names)
    ]
