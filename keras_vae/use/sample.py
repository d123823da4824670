"""`sample`: new images, each a function of its seed alone."""

import os
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

import numpy as np

from keras_vae.io import outputs
from keras_vae.labels import Label
from keras_vae.serving.client import Client
from keras_vae.serving.request_rows import row_seeds
from keras_vae.serving.setting_checks import check_temperature, whole_number
from keras_vae.training import TrainedModel
from keras_vae.use.answer_files import (
    check_images_fit,
    numbered_files,
    shown,
    write_images,
)
from keras_vae.use.row_classes import class_arrays, classes_in_turn
from keras_vae.use.target import Target, target_of
from keras_vae.use.verb_outputs import check_output

__all__ = ["sample", "sample_batches"]

_MAX_NUMBER = 2**31 - 1


def sample(
    model: TrainedModel | Client | Target,
    output: str | os.PathLike[str],
    *,
    num_images: int = 64,
    seed: int = 0,
    temperature: float | Sequence[float] = 1.0,
    label: Label | None = None,
    stream: TextIO | None = None,
    pixels: str | None = None,
    recalibrate_batch_norm: int | None = None,
) -> outputs.Written:
    """Draws new images.

    Image i is made from the seed `[seed, i]` and nothing else: it is the same
    however many images are drawn, and whether a run, its export or a server
    draws it.

    Args:
        model: The model of a run, or a client of an export.
        output: A PNG file (one grid), an NPZ file (arrays `image` and `seed`,
            and `label` and `class_names` of a conditional model), or a folder
            (a PNG file for each image, in a folder for each class), by its
            suffix. Files and folders are written as the images come, in
            little memory.
        num_images: How many.
        seed: 0 ... 2**31 - 1.
        temperature: Multiplies the prior's standard deviation; of a
            hierarchical model of a run one number for each group is possible.
        label: Class of the images, for a conditional model; several are taken
            in turn, all of them unless it is given.
        stream: Where progress is shown; standard error unless given.
        pixels: Of the model of a run: what an image shows of p(x|z), `mean`
            (unless given) or `draw`, a draw that is made from the image's seed
            too. An export has decided it.
        recalibrate_batch_norm: Of NVAE in a run: passes by which its batch
            normalisation is fitted to samples at this temperature first.

    Returns:
        What was written.

    Raises:
        UserError: If the model cannot be sampled as asked, or the output cannot
            be written, or would be too large for the disk or for one picture.
    """
    path = check_output("sample", output)
    target = target_of(model)
    whole_number("num_images", num_images, 1, _MAX_NUMBER)
    target.check_can("sample")
    labels = classes_in_turn(target, label, num_images)
    answers = sample_batches(
        target,
        num_images,
        seed,
        temperature,
        labels,
        pixels=pixels,
        recalibrate_batch_norm=recalibrate_batch_norm,
    )
    check_images_fit(
        path, num_images, target.image_shape, f"num_images={num_images}"
    )
    arrays = {
        "seed": row_seeds(seed, num_images),
        **class_arrays(labels, target.class_names),
    }
    columns = 1 if labels is None else len(np.unique(labels))
    write_images(
        path,
        shown(({"image": images} for images in answers), num_images, stream),
        numbered_files(num_images, labels, target.class_names),
        num_images,
        arrays,
        columns if columns != 1 else None,
    )
    return outputs.Written((path,))


def sample_batches(
    model: TrainedModel | Client | Target,
    num_images: int,
    seed: int = 0,
    temperature: float | Sequence[float] = 1.0,
    labels: np.ndarray | None = None,
    **options: Any,
) -> Iterator[np.ndarray]:
    """Returns samples in batches, float32 `[batch, H, W, C]` in [0, 1].

    Args:
        model: As for `sample`.
        num_images: How many in all.
        seed: Image i is made from the seed `[seed, i]`.
        temperature: One number, or one for each latent group.
        labels: Class of each image, int32 `[num_images]`, of a conditional
            model.
        **options: `pixels` and `recalibrate_batch_norm`, as for `sample`.

    Raises:
        UserError: If the model cannot be sampled so.
    """
    target = target_of(model)
    target.check_can("sample")
    scales = _temperatures(temperature)
    options = {name: v for name, v in options.items() if v is not None}
    target.check_sampling(scales, options)
    whole_number("seed", seed, 0, _MAX_NUMBER)
    step = target.rows_per_request("sample")

    def batches() -> Iterator[dict[str, np.ndarray]]:
        for start in range(0, num_images, step):
            stop = min(start + step, num_images)
            batch = {"seed": row_seeds(seed, stop - start, start)}
            if labels is not None:
                batch["label"] = labels[start:stop]
            yield batch

    answers = target.sample_batches(batches(), scales, seed, options)
    return (answer["image"] for answer in answers)


def _temperatures(temperature: float | Sequence[float]) -> list[float]:
    """Returns the temperature of all latents, or of each group of them."""
    if not isinstance(temperature, Sequence):
        return [check_temperature(temperature)]
    return [check_temperature(one) for one in temperature]
