"""Balancing of the KL over the latent groups of a hierarchy."""

import collections
import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

__all__ = ["balancing_weights", "group_scales"]

_LEAST_KL = 0.01


def group_scales(event_shapes: Sequence[Any]) -> list[float]:
    """Returns how much KL each group is meant to carry, relative to another.

    Args:
        event_shapes: Of the groups: (height, width, channels), or (size,) for
            a vector, which counts as one position.

    Returns:
        The number of positions of each group over the number of groups of its
        shape, in units of the smallest of these: 1 for each of the 5 groups of
        4x4 and 2 for each of the 10 groups of 8x8 beside them.
    """
    shapes = [tuple(int(size) for size in shape) for shape in event_shapes]
    count = collections.Counter(shapes)
    sizes = [math.prod(shape[:-1]) / count[shape] for shape in shapes]
    return [size / min(sizes) for size in sizes]


def balancing_weights(kl: tf.Tensor, scales: Sequence[float]) -> tf.Tensor:
    """Returns gamma `[group]`: weights of the groups' KLs, of mean 1.

    They are proportional to a group's share of the KL over the share that its
    size would give it, so that the groups that carry much pay more for it.
    There is no gradient through them.

    Args:
        kl: KL of each group averaged over the batch, nats, `[group]`.
        scales: What `group_scales` returned.

    References:
        Vahdat and Kautz (2020), NVAE, appendix A.
    """
    share = (kl + _LEAST_KL) / tf.constant(scales, kl.dtype)
    return tf.stop_gradient(share / tf.reduce_mean(share))
