"""The global batch of a step, of which each replica has a share.

The number of replicas changes how long a step takes, and no figure: noise is a
function of a seed and of a row's position in the batch over all replicas, and
what looks at a batch as a whole looks at that one. A step says in `sharing`
which rows it has; who draws, averages or compares rows asks here. Outside a
step, and on one replica, a batch is all there is.
"""

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from keras_vae import seeds

__all__ = [
    "Share",
    "current_share",
    "draw",
    "gather",
    "means",
    "num_replicas",
    "part_sizes",
    "real_rows",
    "share_of",
    "sharing",
    "sum_over_replicas",
]


@dataclasses.dataclass(frozen=True)
class Share:
    """Which rows of the global batch a pass has; int32 scalars.

    Attributes:
        rows: How many. They are the first of those that go through the model.
        size: How many go through it: a replica without images has others in
            their place, that count nowhere.
        offset: Position of the first one in the global batch.
        total: Rows of the global batch.
        capacity: `total`, as a shape: where XLA, which needs constant shapes,
            compiles the step, what it would be if all shares were as this one.
        parts: Into how many parts one replica would take the batch, each with
            noise from a seed of its own.
    """

    rows: Any
    size: Any
    offset: Any
    total: Any
    capacity: Any
    parts: int = 1


# A strategy runs each replica in a thread of its own.
_local = threading.local()


def current_share() -> Share | None:
    """Returns the share of the pass that runs; None if it has all rows."""
    return getattr(_local, "share", None)


@contextlib.contextmanager
def sharing(share: Share | None) -> Iterator[None]:
    """Within it, what runs in this thread has these rows."""
    before = current_share()
    _local.share = share
    try:
        yield
    finally:
        _local.share = before


def num_replicas() -> int:
    """Returns how many replicas there are, in a replica; elsewhere 1."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def sum_over_replicas(value: tf.Tensor) -> tf.Tensor:
    """Returns the sum over the replicas; what it is made of gets its gradient.

    The gradient is that of the sum of what the replicas minimise.
    """
    if num_replicas() == 1:
        return value
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def share_of(rows: tf.Tensor, size: Any, compiled: bool = False) -> Share:
    """Returns the share of this replica: those before it have the rows before.

    Args:
        rows: How many rows it has, an int32 scalar.
        size: How many go through the model.
        compiled: Whether XLA compiles the step.
    """
    count = num_replicas()
    context = tf.distribute.get_replica_context()
    index = context.replica_id_in_sync_group
    own = tf.one_hot(index, count) * tf.cast(rows, tf.float32)
    each = tf.cast(sum_over_replicas(own), tf.int32)
    before = tf.range(count) < tf.cast(index, tf.int32)
    total = tf.reduce_sum(each)
    offset = tf.reduce_sum(tf.where(before, each, 0))
    capacity = size * count if compiled else total
    return Share(rows, size, offset, total, capacity)


def part_sizes(rows: Any, count: int) -> list[Any]:
    """Returns the sizes of `count` parts, as equal as they can be."""
    return [(rows + i) // count for i in reversed(range(count))]


def draw(
    make: Callable[[list[Any], tf.Tensor], tf.Tensor],
    seed: tf.Tensor,
    rows: Any,
) -> tf.Tensor:
    """Returns noise `[rows, ...]`, that of the pass's rows of the global batch.

    All that a training or test step draws for its images goes through here,
    or is the same for every image. It is drawn for the global batch; a pass
    takes its rows of that.

    Args:
        make: `make(shape, seed)` returns noise `[*shape, ...]`, where the last
            of `shape` is a batch and the others are draws for each of it.
        seed: int32 `[2]`.
        rows: Images of the pass times draws for each, the draws outermost.
    """
    share = current_share()
    if share is None:
        return make([rows], seed)
    copies = rows // share.size
    if share.capacity is not share.total:
        # Where shares differ nobody could draw for all: each for itself.
        equal = tf.equal(share.capacity, share.total)
        seed = tf.where(equal, seed, seeds.replica(seeds.fold_in(seed, 1)))
    if share.parts == 1:
        noise = make([copies, share.capacity], seed)
    else:
        # One replica fills a batch up to a row for each part.
        filled = tf.maximum(share.capacity, share.parts)
        sizes = part_sizes(filled, share.parts)
        parts = [
            make([copies, size], seeds.fold_in(seed, i))
            for i, size in enumerate(sizes)
        ]
        noise = tf.concat(parts, axis=1)
    index = tf.minimum(share.offset + tf.range(share.size), share.capacity - 1)
    own = tf.gather(noise, index, axis=1)
    return tf.reshape(own, tf.concat([[rows], tf.shape(own)[2:]], 0))


def means(values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the mean of each over all its axes and the global batch.

    Args:
        values: Tensors of one shape, `[..., batch]`.
    """
    share = current_share()
    if share is None:
        return [tf.reduce_mean(value) for value in values]
    counted = [value[..., : share.rows] for value in values]
    count = tf.cast(tf.size(counted[0]), counted[0].dtype)
    sums = [tf.reduce_sum(value) for value in counted]
    *totals, number = tf.unstack(sum_over_replicas(tf.stack([*sums, count])))
    return [total / number for total in totals]


def gather(value: tf.Tensor) -> tf.Tensor:
    """Returns `[batch, ...]` of the global batch, the same on all replicas."""
    share = current_share()
    if share is None:
        return value
    index = share.offset + tf.range(share.rows)
    shape = tf.concat([[share.capacity], tf.shape(value)[1:]], 0)
    own = tf.scatter_nd(index[:, tf.newaxis], value[: share.rows], shape)
    return tf.ensure_shape(sum_over_replicas(own), [None, *value.shape[1:]])


def real_rows(count: tf.Tensor) -> tf.Tensor | None:
    """Returns which of `count` rows are images that count, bool `[count]`.

    Args:
        count: Images of the pass times draws for each, the draws outermost.

    Returns:
        None if there is no share to ask.
    """
    share = current_share()
    return None if share is None else tf.range(count) % share.size < share.rows
