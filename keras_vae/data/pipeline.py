"""Batches for training and for evaluation."""

import numpy as np
import tensorflow as tf

from keras_vae.config.data_config import MAX_BITS, MAX_SEED
from keras_vae.data.autotuning import without_autotuning
from keras_vae.data.binarization import (
    dequantize,
    noise_seed,
    sample_binary,
    to_unit_interval,
)
from keras_vae.data.image_dataset import Split
from keras_vae.data.transforms import flip_half, mutate
from keras_vae.errors import UserError

__all__ = ["evaluation_batches", "steps_per_epoch", "training_batches"]

_LAST_STEP = 2**62
_PREFETCHED = 2  # Batches: one is asked for while the other is made.


def steps_per_epoch(split: Split, batch_size: int) -> int:
    """Returns the number of batches in an epoch: N // batch_size.

    Raises:
        UserError: When the split has fewer images than one batch.
    """
    if not 1 <= batch_size <= split.num_images:
        raise UserError(
            "batch_size must be between 1 and the number of images, "
            f"{split.num_images}. Received: batch_size={batch_size}"
        )
    return split.num_images // batch_size


def training_batches(
    split: Split,
    *,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    num_steps: int | None = None,
    binarization: str,
    dequantization: str = "none",
    num_bits: int = MAX_BITS,
    horizontal_flip: bool = False,
    mutation_rate: float = 0.0,
    with_labels: bool = False,
) -> tf.data.Dataset:
    """Returns the batches of training, from a step on.

    An epoch is N // batch_size batches of distinct images; the remainder,
    another one each epoch, is left out. The batch of step s, its noise
    included, is a function of `seed` and s: a run that starts at
    `start_step` sees exactly what an uninterrupted run would see from there.

    Args:
        split: Where the images come from.
        batch_size: Images per batch, over all replicas together.
        seed: Seeds order, mirroring, mutation, binarization and
            dequantization; 0 ... 2**32 - 1.
        start_step: The first step, counted from 0 over all epochs.
        num_steps: The step at which the dataset ends, counted from step 0
            whatever `start_step`. None: never.
        binarization: "none", "static" (a fixed draw for each image, from
            `seed`) or "dynamic" (a new draw at each step).
        dequantization: "none" or "uniform".
        num_bits: Bits that are kept of each level, 1 ... 8; fewer than 8 only
            without binarization.
        horizontal_flip: Whether to mirror each image, anew at each step, with
            probability 1 / 2.
        mutation_rate: Probability of each value to be replaced, anew at each
            step, by a level drawn evenly from 0 ... 255 before binarization;
            where that is static, by one of 0 and 255.
        with_labels: Whether to return the labels too.

    Returns:
        batches: float32 [batch_size, H, W, C] in [0, 1], 0 or 1 when
        binarized; with labels, (images, labels: int64 [batch_size], -1
        where there is none).

    Raises:
        UserError: When `batch_size` is larger than the split, or an argument
            is not one of those above.

    Example:
        >>> data = load(DataConfig("mnist_5k"))
        >>> batches = training_batches(
        ...     data.splits["train"],
        ...     batch_size=128, seed=0, binarization="dynamic",
        ... )
        >>> next(iter(batches)).shape
        TensorShape([128, 28, 28, 1])
    """
    steps_per_epoch(split, batch_size)
    _check(seed, binarization, dequantization, num_bits)
    if not 0 <= mutation_rate <= 1:
        raise UserError(
            "mutation_rate must be 0 ... 1. "
            f"Received: mutation_rate={mutation_rate}"
        )
    if start_step < 0:
        raise UserError(
            "start_step must not be negative. "
            f"Received: start_step={start_step}"
        )
    if binarization == "static":
        split = split.binarized(seed)
    end_step = _LAST_STEP if num_steps is None else max(start_step, num_steps)

    def finish(step, batch):
        _, images, labels = batch
        if horizontal_flip:
            images = flip_half(images, noise_seed(seed, "flip", step))
        if mutation_rate:
            images = mutate(
                images,
                mutation_rate,
                noise_seed(seed, "mutation", step),
                noise_seed(seed, "mutated_level", step),
                binary=binarization == "static",
            )
        if binarization == "dynamic":
            bits = sample_binary(images, noise_seed(seed, "binarization", step))
            images = tf.cast(bits, tf.float32)
        elif dequantization == "uniform":
            noise = noise_seed(seed, "dequantization", step)
            images = dequantize(images, noise, num_bits)
        else:
            images = to_unit_interval(images, num_bits)
        return (images, labels) if with_labels else images

    batches = tf.data.Dataset.zip(
        tf.data.Dataset.range(start_step, end_step),
        split.shuffled_batches(batch_size, seed, start_step, end_step),
    ).map(finish, num_parallel_calls=2, deterministic=True)
    if num_steps is None:
        batches = batches.apply(
            tf.data.experimental.assert_cardinality(
                tf.data.experimental.INFINITE_CARDINALITY
            )
        )
    return _prefetched(batches)


def evaluation_batches(
    split: Split,
    *,
    batch_size: int,
    binarization: str,
    dequantization: str = "none",
    num_bits: int = MAX_BITS,
    seed: int = 0,
    num_images: int | None = None,
    with_labels: bool = False,
) -> tf.data.Dataset:
    """Returns the images of a split in order, the same ones every time.

    Each image is binarized or dequantized by one fixed draw, which depends
    on `seed` and the image's position in the split alone, never on the
    batch size. For a split in memory the binary images are
    `RandomState(seed).rand(N, H, W, C) < images / 255`; for one that is
    read as it is needed they are stateless draws from (seed, position).

    Args:
        split: Where the images come from.
        batch_size: Images per batch; the last may be smaller.
        binarization: "none", "static" or "dynamic". The last two are the same
            here.
        dequantization: "none" or "uniform".
        num_bits: Bits that are kept of each level, 1 ... 8; fewer than 8 only
            without binarization.
        seed: Seeds the draws; 0 ... 2**32 - 1.
        num_images: Evaluate on this many images only: a random subset, seeded
            by `seed`, in the split's order. The first images would not do:
            those of MNIST are easier than the rest. None: all.
        with_labels: Whether to return the labels too.

    Returns:
        batches: float32 [<= batch_size, H, W, C] in [0, 1], 0 or 1 when
        binarized; with labels, (images, labels: int64 [<= batch_size], -1
        where there is none).

    Raises:
        UserError: When an argument is not one of those above.
    """
    if batch_size < 1:
        raise UserError(
            f"batch_size must be positive. Received: batch_size={batch_size}"
        )
    _check(seed, binarization, dequantization, num_bits)
    if binarization != "none":
        split = split.binarized(seed)

    elements = split.elements()
    count = split.num_images
    if num_images is not None:
        elements = _random_subset(elements, count, num_images, seed)
        count = num_images

    def add_noise(position, image, label):
        noise = noise_seed(seed, "dequantization", position)
        return position, dequantize(image, noise, num_bits), label

    if dequantization == "uniform":
        elements = elements.map(add_noise)

    def finish(positions, images, labels):
        if dequantization != "uniform":
            images = to_unit_interval(images, num_bits)
        return (images, labels) if with_labels else images

    # What is done to all images alike is done to batches: it is much faster.
    batches = (
        elements.apply(tf.data.experimental.assert_cardinality(count))
        .batch(batch_size)
        .map(finish)
    )
    return _prefetched(batches)


def _check(
    seed: int, binarization: str, dequantization: str, num_bits: int
) -> None:
    if not 0 <= seed <= MAX_SEED:
        raise UserError(f"seed must be 0 ... {MAX_SEED}. Received: seed={seed}")
    if binarization not in ("none", "static", "dynamic"):
        raise UserError(
            'binarization must be "none", "static" or "dynamic" ("auto" is '
            "resolved by default_binarization). "
            f"Received: binarization={binarization!r}"
        )
    if dequantization not in ("none", "uniform"):
        raise UserError(
            'dequantization must be "none" or "uniform" ("auto" is resolved by '
            "keras_vae.training.prepare). "
            f"Received: dequantization={dequantization!r}"
        )
    if dequantization == "uniform" and binarization != "none":
        raise UserError(
            'dequantization="uniform" adds noise to grey levels, which '
            'binarization removes; use binarization="none". '
            f"Received: binarization={binarization!r}"
        )
    if num_bits not in range(1, MAX_BITS + 1):
        raise UserError(
            f"num_bits must be 1 ... {MAX_BITS}. Received: num_bits={num_bits}"
        )
    if num_bits != MAX_BITS and binarization != "none":
        raise UserError(
            "num_bits below 8 keeps coarser grey levels, which binarization "
            'replaces by 0 and 1; use binarization="none". '
            f"Received: num_bits={num_bits}, binarization={binarization!r}"
        )


def _random_subset(
    elements: tf.data.Dataset, count: int, num_images: int, seed: int
) -> tf.data.Dataset:
    if not 1 <= num_images <= count:
        raise UserError(
            f"num_images must be between 1 and {count}, the images in the "
            f"split. Received: num_images={num_images}"
        )
    chosen = np.zeros(count, bool)
    chosen[np.random.RandomState(seed).permutation(count)[:num_images]] = True
    keep = tf.constant(chosen)
    return elements.filter(lambda position, image, label: keep[position])


def _prefetched(batches: tf.data.Dataset) -> tf.data.Dataset:
    # A strategy over several workers must not shard by files: the order of
    # the images would change with the number of workers.
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    batches = without_autotuning(batches.with_options(options))
    return batches.prefetch(_PREFETCHED)
