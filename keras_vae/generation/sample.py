"""`sample`: new images, each a function of its seed alone."""

import contextlib
import os
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from keras_vae import outputs, plotting, seeds
from keras_vae.errors import UserError
from keras_vae.generation.source import TrainedModel, load_model
from keras_vae.models import NVAE, GenerativeModel

__all__ = ["sample", "sample_batches"]

# As in serving, so that the same numbers come out to the last bit.
_BATCH_SIZE = 256
_MAX_SEED = 2**31 - 1
_SUFFIXES = (".png", ".npz", "")


def sample(
    workdir: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    num_images: int = 64,
    seed: int = 0,
    temperature: float | Sequence[float] = 1.0,
    recalibrate_batch_norm: int = 0,
) -> outputs.Written:
    """Draws new images from the model of a run.

    Image i is made from the seed `[seed, i]` and nothing else: it is the same
    however many images are drawn, and the one that an export's signature
    `sample` answers for that seed.

    Args:
        workdir: The run folder.
        output: A PNG file (one grid), an NPZ file (array `image`), or a
            folder (a PNG file for each image), by its suffix.
        num_images: How many.
        seed: 0 ... 2**31 - 1.
        temperature: Multiplies the prior's standard deviation; of a
            hierarchical model one number for each group is possible.
        recalibrate_batch_norm: Passes by which NVAE's batch normalisation is
            fitted to samples at this temperature first; 0 leaves it alone.

    Returns:
        What was written.

    Raises:
        UserError: If the run cannot be sampled as asked, or the output cannot
            be written.
    """
    path = outputs.check_suffix(output, _SUFFIXES, "sample")
    if not path.suffix:
        outputs.check_free_folder(path)
    _check_counts(num_images, seed, recalibrate_batch_norm)
    trained = load_model(workdir)
    scales = _check_temperature(trained.model, temperature)
    with _recalibrated(trained.model, recalibrate_batch_norm, scales, seed):
        _write(
            path,
            sample_batches(trained.model, num_images, seed, scales),
            num_images,
            trained,
        )
    return outputs.Written((path,))


def sample_batches(
    model: GenerativeModel,
    num_images: int,
    seed: int,
    temperature: Sequence[float] = (1.0,),
    *,
    first: int = 0,
) -> Iterator[np.ndarray]:
    """Yields samples in batches, float32 `[batch, H, W, C]` in [0, 1].

    Args:
        model: A model with a prior.
        num_images: How many in all.
        seed: Image i is made from the seed `[seed, i]`.
        temperature: One number, or one for each latent group.
        first: The number i of the first image.
    """

    @tf.function(reduce_retracing=True)
    def generate(seed: tf.Tensor) -> tf.Tensor:
        noise = seeds.row_normal(seed, model.latent_dim)
        if len(temperature) == 1:
            scale = tf.fill([tf.shape(seed)[0]], temperature[0])
            return model.generate(noise, scale)
        return model.generate(noise, list(temperature))

    for start in range(first, first + num_images, _BATCH_SIZE):
        end = min(start + _BATCH_SIZE, first + num_images)
        numbers = np.arange(start, end, dtype=np.int32)
        rows = np.stack([np.full_like(numbers, seed), numbers], axis=1)
        yield generate(tf.constant(rows)).numpy()


def _check_counts(num_images: int, seed: int, passes: int) -> None:
    for name, value, low in (
        ("num_images", num_images, 1),
        ("seed", seed, 0),
        ("recalibrate_batch_norm", passes, 0),
    ):
        if not low <= value <= _MAX_SEED:
            raise UserError(
                f"{name} must be {low} ... {_MAX_SEED}. "
                f"Received: {name}={value}"
            )


def _check_temperature(
    model: GenerativeModel, temperature: float | Sequence[float]
) -> tuple[float, ...]:
    if not model.group_shapes:
        raise UserError(
            "The model has no prior to sample from: a plain autoencoder only "
            "reconstructs. Received: model=autoencoder"
        )
    scales = temperature
    if isinstance(scales, (int, float)):
        scales = (scales,)
    if not all(0 <= value < float("inf") for value in scales):
        raise UserError(
            "temperature must be finite and at least 0. "
            f"Received: temperature={temperature}"
        )
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
    if not isinstance(model, NVAE):
        raise UserError(
            "recalibrate_batch_norm is for NVAE, whose decoder normalises over "
            f"batches. Received: {type(model).__name__}"
        )
    return model.recalibrated_batch_norm(
        passes,
        temperature=scales[0] if len(scales) == 1 else list(scales),
        seed=(seed, 0),
    )


def _write(
    path: pathlib.Path,
    batches: Iterator[np.ndarray],
    num_images: int,
    trained: TrainedModel,
) -> None:
    if not path.suffix:
        outputs.write_folder(path, lambda folder: _save_each(folder, batches))
        return
    images = np.concatenate(list(batches))
    if path.suffix.lower() == ".png":
        outputs.save_grid(path, images)
    else:
        outputs.replace_file(
            path, lambda partial: np.savez(partial, image=images)
        )


def _save_each(folder: pathlib.Path, batches: Iterator[np.ndarray]) -> None:
    number = 0
    for images in batches:
        for image in images:
            plotting.save_png(folder / f"{number:06d}.png", image)
            number += 1
