"""A replica's share of a batch, and the parts that a step takes it in."""

import dataclasses
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from keras_vae import seeds
from keras_vae.global_batch import Share, num_replicas, part_sizes, share_of
from keras_vae.models.batches import Batch

__all__ = ["Part", "parts_of"]


class Part(NamedTuple):
    """A part of a batch, as a pass takes it.

    Attributes:
        batch: Its images; some may be there to fill it up.
        rows: Its first images, which are those that count.
        seed: Of its noise, int32 `[2]`.
        share: Which rows of the global batch they are; None on one replica.
        total: Images of the global batch.
    """

    batch: Batch
    rows: tf.Tensor
    seed: tf.Tensor
    share: Share | None
    total: tf.Tensor


def parts_of(
    batch: Batch, seed: tf.Tensor, count: int = 1, compiled: bool = False
) -> list[Part]:
    """Returns the parts of a batch, as equal as they can be.

    On one replica each part has a seed of its own. On several all have `seed`:
    `global_batch.draw` makes those of the parts that one replica would have.

    Args:
        batch: The replica's share of the batch.
        seed: int32 `[2]`, the same on all replicas.
        count: How many parts.
        compiled: Whether XLA compiles the step.
    """
    rows = tf.shape(batch.image)[0]
    batch = _filled(batch, count)
    size = batch.image.shape[0] or tf.shape(batch.image)[0]
    share = share_of(rows, size, compiled) if num_replicas() > 1 else None
    total = rows if share is None else share.total
    if count == 1:
        return [Part(batch, rows, seed, share, total)]
    sizes = part_sizes(size, count)
    split = _map(lambda x: tf.split(x, tf.stack(sizes)), batch)
    found = []
    for i, part_size in enumerate(sizes):
        before = sum(sizes[:i])
        part = _map(operator.itemgetter(i), split)
        counted = tf.clip_by_value(rows - before, 0, part_size)
        if share is None:
            key = seeds.fold_in(seed, i)
            found.append(Part(part, counted, key, None, total))
            continue
        own = dataclasses.replace(
            share,
            rows=counted,
            size=part_size,
            offset=share.offset + before,
            parts=count,
        )
        found.append(Part(part, counted, seed, own, total))
    return found


def _filled(batch: Batch, count: int) -> Batch:
    """Returns a batch with at least `count` images, some of them repeated.

    Not all operations take a batch without images; what comes of those that
    are added is cut off again. Where a replica has none they are black. There
    is always a first class and a first weight.
    """
    known = batch.image.shape[0] or 0
    if num_replicas() == 1 and max(known, 1) >= count:
        return batch
    rows = tf.shape(batch.image)[0]
    index = tf.range(tf.maximum(rows, count)) % tf.maximum(rows, 1)

    def fill(x: tf.Tensor) -> tf.Tensor:
        zero = tf.zeros(tf.concat([[1], tf.shape(x)[1:]], 0), x.dtype)
        filled = tf.gather(tf.concat([x, zero], 0), index)
        return tf.ensure_shape(filled, [None, *x.shape[1:]])

    return _map(fill, batch)


def _map(function: Callable[[Any], Any], batch: Batch) -> Batch:
    """Returns a batch with a function of each tensor."""
    image, condition, weight = batch
    return Batch(
        function(image),
        {name: function(value) for name, value in condition.items()},
        None if weight is None else function(weight),
    )
