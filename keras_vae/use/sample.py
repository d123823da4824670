"""`sample`: new images, each a function of its seed alone."""

import contextlib
import itertools
import math
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vae import plotting, seeds
from keras_vae.config import PIXELS, check_choice, check_number
from keras_vae.errors import UserError
from keras_vae.io import outputs, sizes
from keras_vae.io.npz_files import write_npz
from keras_vae.labels import Label, class_folders, label_rows
from keras_vae.models import GenerativeModel, pixel_seed
from keras_vae.models.abilities import check_can
from keras_vae.models.conditions import conditions, parse_labels
from keras_vae.training import TrainedModel

__all__ = ["check_seeds", "check_temperature", "sample", "sample_batches"]

# As in serving, so that the same numbers come out to the last bit.
_BATCH_SIZE = 256
_MAX_SEED = 2**31 - 1
_SUFFIXES = (".png", ".npz", "")


def sample(
    trained: TrainedModel,
    output: str | os.PathLike[str],
    *,
    num_images: int = 64,
    seed: int = 0,
    temperature: float | Sequence[float] = 1.0,
    label: Label | None = None,
    recalibrate_batch_norm: int = 0,
    pixels: str = "mean",
) -> outputs.Written:
    """Draws new images from the model of a run.

    Image i is made from the seed `[seed, i]` and nothing else: it is the same
    however many images are drawn, and the one that an export's signature
    `sample` answers for that seed.

    Args:
        trained: The model of a run.
        output: A PNG file (one grid), an NPZ file (arrays `image` and `seed`,
            and `label` of a conditional model), or a folder (a PNG file for
            each image, in a folder for each class), by its suffix. Files and
            folders are written as the images come, in little memory.
        num_images: How many.
        seed: 0 ... 2**31 - 1.
        temperature: Multiplies the prior's standard deviation; of a
            hierarchical model one number for each group is possible.
        label: Class of the images, for a conditional model; several are taken
            in turn, all of them unless it is given.
        recalibrate_batch_norm: Passes by which NVAE's batch normalisation is
            fitted to samples at this temperature first; 0 leaves it alone.
        pixels: What an image shows of p(x|z): `mean`, or `draw`, a draw that
            is made from the image's seed too.

    Returns:
        What was written.

    Raises:
        UserError: If the run cannot be sampled as asked, or the output cannot
            be written, or would be too large for the disk or for one picture.
    """
    path = outputs.check_suffix(output, _SUFFIXES, "sample")
    if not path.suffix:
        outputs.check_free_folder(path)
    check_seeds(num_images, seed)
    name = "recalibrate_batch_norm"
    check_number(name, recalibrate_batch_norm, 0, whole=True)
    check_choice("pixels", pixels, PIXELS)
    model = trained.model
    check_can(model, "sample")
    scales = check_temperature(model, temperature)
    classes = _classes(trained, label)
    _check_size(path, num_images, model.image_shape)
    labels = None
    if classes is not None:
        labels = label_rows(classes, num_images, repeat=True)
    with _recalibrated(model, recalibrate_batch_norm, scales, seed):
        batches = sample_batches(
            model, num_images, seed, scales, labels, pixels
        )
        if not path.suffix:
            names = _file_names(num_images, labels, model.class_names)
            outputs.write_folder(
                path, lambda folder: _save_each(folder, batches, names)
            )
        elif path.suffix.lower() == ".png":
            several = classes is not None and len(classes) > 1
            columns = len(classes or ()) if several else None
            plotting.save_grid(path, np.concatenate(list(batches)), columns)
        else:
            arrays = {"seed": _rows(seed, 0, num_images)}
            if labels is not None:
                arrays["label"] = labels
            named = ({"image": images} for images in batches)
            outputs.replace_file(
                path, lambda p: write_npz(p, named, num_images, arrays)
            )
    return outputs.Written((path,))


def _check_size(
    path: pathlib.Path, num_images: int, image_shape: tuple[int, int, int]
) -> None:
    """Raises UserError if so many images do not fit where they shall go."""
    what, received = f"{num_images:,} images", f"num_images={num_images}"
    if path.suffix.lower() == ".png":
        advice = "name a folder, without a suffix, or an .npz file"
        sizes.check_picture(num_images, image_shape, received, advice)
    elif path.suffix:
        # Float32 values, the seed and the class; twice, see `write_npz`.
        image = 4 * math.prod(image_shape) + 12
        sizes.check_disk(path, 2 * num_images * image, what, received)
    else:
        needed = num_images * sizes.FILE_BYTES
        sizes.check_disk(path, needed, what, received)


def sample_batches(
    model: GenerativeModel,
    num_images: int,
    seed: int,
    temperature: Sequence[float] = (1.0,),
    labels: np.ndarray | None = None,
    pixels: str = "mean",
) -> Iterator[np.ndarray]:
    """Yields samples in batches, float32 `[batch, H, W, C]` in [0, 1].

    Args:
        model: A model with a prior.
        num_images: How many in all.
        seed: Image i is made from the seed `[seed, i]`.
        temperature: One number, or one for each latent group.
        labels: Class of each image, int32 `[num_images]`, of a conditional
            model.
        pixels: As for `sample`.
    """

    @tf.function(autograph=False, reduce_retracing=True)
    def generate(seed: tf.Tensor, condition: dict[str, tf.Tensor]) -> tf.Tensor:
        noise = seeds.row_normal(seed, model.noise_size)
        scale: Any = list(temperature)
        if len(temperature) == 1:
            scale = tf.fill([tf.shape(seed)[0]], temperature[0])
        return model.generate(
            noise, scale, pixel_seed=pixel_seed(pixels, seed), **condition
        )

    for start in range(0, num_images, _BATCH_SIZE):
        end = min(start + _BATCH_SIZE, num_images)
        some = None if labels is None else labels[start:end]
        rows = tf.constant(_rows(seed, start, end))
        yield generate(rows, conditions(model, some)).numpy()


def _rows(seed: int, start: int, end: int) -> np.ndarray:
    """Returns the seeds of images, int32 `[end - start, 2]`."""
    numbers = np.arange(start, end, dtype=np.int32)
    return np.stack([np.full_like(numbers, seed), numbers], axis=1)


def _classes(trained: TrainedModel, label: Label | None) -> list[int] | None:
    """Returns the classes that are taken in turn; None without classes."""
    if label is not None:
        return parse_labels(trained.model, label)
    return list(range(trained.model.num_classes)) or None


def check_seeds(num_images: int, seed: int) -> None:
    """Raises UserError unless images can be made from `[seed, i]`."""
    check_number("num_images", num_images, 1, whole=True, high=_MAX_SEED)
    check_number("seed", seed, 0, whole=True, high=_MAX_SEED)


def check_temperature(
    model: GenerativeModel, temperature: float | Sequence[float]
) -> tuple[float, ...]:
    """Returns the temperature of each group, or one for all of them.

    Raises:
        UserError: If they are not possible, or of another number.
    """
    several = isinstance(temperature, (list, tuple, np.ndarray))
    scales: Any = temperature if several else (temperature,)
    for scale in scales:
        check_number("temperature", scale, 0)
    groups = len(model.group_shapes)
    if len(scales) not in (1, groups):
        raise UserError(
            "temperature must be one number, or one for each latent group, of "
            f"which the model has {groups}. Received: {len(scales)} numbers"
        )
    return tuple(float(value) for value in scales)


def _recalibrated(
    model: GenerativeModel, passes: int, scales: tuple[float, ...], seed: int
) -> contextlib.AbstractContextManager[object]:
    if not passes:
        return contextlib.nullcontext()
    if not model.normalizes_samples:
        raise UserError(
            "recalibrate_batch_norm is for NVAE, whose decoder normalises over "
            f"batches. Received: {type(model).__name__}"
        )
    return model.recalibrated_batch_norm(
        passes,
        temperature=scales[0] if len(scales) == 1 else list(scales),
        seed=(seed, 0),
    )


def _file_names(
    num_images: int,
    labels: np.ndarray | None,
    class_names: Sequence[str],
) -> Iterator[str]:
    """Yields the file of each image, in a folder of its class if it has one.

    A folder of such folders is what `image_folder` reads.
    """
    folders = class_folders(class_names)
    for number in range(num_images):
        name = f"{number:06d}.png"
        if labels is not None:
            name = f"{folders[labels[number]]}/{name}"
        yield name


def _save_each(
    folder: pathlib.Path, batches: Iterator[np.ndarray], names: Iterator[str]
) -> None:
    images = itertools.chain.from_iterable(batches)
    for name, image in zip(names, images, strict=True):
        plotting.save_png(folder / name, image)
