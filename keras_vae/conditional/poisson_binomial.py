"""The number of ones among independent bits, and bits of a known number.

With logits l_1 ... l_n of independent bits and r bits of one still to be given
to bits i ... n, the table

    t_i[r] = log P(b_i + ... + b_n = r)

has t_i[r] = logaddexp(t_(i+1)[r] + log P(b_i = 0),
                       t_(i+1)[r - 1] + log P(b_i = 1)).

t_1[s] is the log-probability of the sum s (Poisson's binomial distribution),
and a draw of the bits given their sum takes one after the other:

    P(b_i = 1 | r ones in b_i ... b_n) = P(b_i = 1) t_(i+1)[r - 1] / t_i[r]

where tables stand for probabilities. All of it is exact, O(n^2) for each draw.

References:
    Chen and Liu (1997), Statistical applications of the Poisson-binomial and
    conditional Bernoulli distributions, section 2 (recursions) and 4 (draws).
"""

import tensorflow as tf

__all__ = ["bit_means", "sample_bits", "sum_log_prob"]

# The logarithm of 0: finite, so that differences of it are no NaN.
_LOG_ZERO = -1e30


def sum_log_prob(logits: tf.Tensor, total: tf.Tensor) -> tf.Tensor:
    """Returns log P(b_1 + ... + b_n = total), nats.

    Args:
        logits: Of the bits, `[..., n]`; n is known.
        total: Whole numbers 0 ... n, float32 `[...]`.

    Returns:
        log_prob: `[...]`; about -1e30 for a total that cannot be.
    """
    return _at(_tables(logits)[0], total)


def sample_bits(
    logits: tf.Tensor, total: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """Draws the bits given their sum.

    Args:
        logits: Of the bits, `[..., n]`; n is known.
        total: Whole numbers 0 ... n, float32 `[...]`.
        seed: int32 `[2]`.

    Returns:
        bits: 0 or 1, float32 `[..., n]`, which sum to `total`.
    """
    tables = _tables(logits)
    noise = tf.random.stateless_uniform(tf.shape(logits), seed)
    left, bits = total, []
    for index in range(logits.shape[-1]):
        log_one = (
            tf.math.log_sigmoid(logits[..., index])
            + _at(tables[index + 1], left - 1.0)
            - _at(tables[index], left)
        )
        # Rounding must break no sum: it is forced at either end.
        rest = tf.cast(logits.shape[-1] - index, tf.float32)
        one = (noise[..., index] < tf.exp(log_one)) | (left >= rest)
        bits.append(tf.cast(one & (left > 0.0), tf.float32))
        left -= bits[-1]
    return tf.stack(bits, axis=-1)


def bit_means(logits: tf.Tensor, total: tf.Tensor) -> tf.Tensor:
    """Returns P(b_i = 1 | b_1 + ... + b_n = total).

    Args:
        logits: Of the bits, `[..., n]`; n is known.
        total: Whole numbers 0 ... n, float32 `[...]`.

    Returns:
        mean: `[..., n]`, which sum to `total`.
    """
    size = logits.shape[-1]
    tables = _tables(logits)
    ones = tf.one_hot(tf.cast(total, tf.int32), size + 1)
    # log P(b_1 ... b_(i-1) leave r ones), by r.
    reached = tf.where(ones > 0, 0.0, _LOG_ZERO)
    means = []
    for index in range(size):
        zero, one = _log_bits(logits, index)
        # The bit takes one of the r + 1 ones that were left.
        taken = one + _shift(reached, -1)
        means.append(tf.reduce_logsumexp(taken + tables[index + 1], axis=-1))
        reached = _log_add_exp(reached + zero, taken)
    log_total = _at(tables[0], total)[..., tf.newaxis]
    return tf.exp(tf.stack(means, axis=-1) - log_total)


def _tables(logits: tf.Tensor) -> list[tf.Tensor]:
    """Returns t_1 ... t_(n+1), `[..., n + 1]` each, as said above."""
    size = logits.shape[-1]
    none = tf.where(tf.range(size + 1) == 0, 0.0, _LOG_ZERO)
    shape = tf.concat([tf.shape(logits)[:-1], [size + 1]], axis=0)
    tables = [tf.broadcast_to(none, shape)]
    for index in reversed(range(size)):
        zero, one = _log_bits(logits, index)
        table = tables[-1]
        tables.append(_log_add_exp(table + zero, _shift(table, 1) + one))
    return tables[::-1]


def _log_bits(logits: tf.Tensor, index: int) -> tuple[tf.Tensor, tf.Tensor]:
    logit = logits[..., index, tf.newaxis]
    return tf.math.log_sigmoid(-logit), tf.math.log_sigmoid(logit)


def _shift(table: tf.Tensor, by: int) -> tf.Tensor:
    """Returns `table[r - by]` for each r; what comes from outside is log 0."""
    edge = tf.fill(tf.shape(table[..., :1]), _LOG_ZERO)
    if by > 0:
        return tf.concat([edge, table[..., :-1]], axis=-1)
    return tf.concat([table[..., 1:], edge], axis=-1)


def _log_add_exp(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    larger = tf.maximum(x, y)
    return larger + tf.math.log1p(tf.exp(-tf.abs(x - y)))


def _at(table: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """Returns `table[..., index]`, log 0 where the index is outside."""
    last = table.shape[-1] - 1
    inside = tf.clip_by_value(tf.cast(index, tf.int32), 0, last)
    inside = tf.broadcast_to(inside, tf.shape(table)[:-1])
    value = tf.gather(table, inside, axis=-1, batch_dims=len(table.shape) - 1)
    outside = (index < 0.0) | (index > float(last))
    return tf.where(outside, _LOG_ZERO, value)
