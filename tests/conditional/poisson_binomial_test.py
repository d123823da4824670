"""The sum of independent bits, against all of their 2^n values."""

import itertools

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from keras_vae.conditional.poisson_binomial import (
    bit_means,
    sample_bits,
    sum_log_prob,
)

_LOGITS = np.array([-2.0, 0.3, 1.5, -0.4], np.float32)
_BITS = np.array(list(itertools.product([0, 1], repeat=len(_LOGITS))))


def _log_probs(logits=_LOGITS):
    """Returns log P of each row of `_BITS`, float64."""
    logits = np.asarray(logits, np.float64)
    return (_BITS * logits - np.logaddexp(0, logits)).sum(axis=1)


def _given(total):
    """Returns P of each row of `_BITS` given its sum."""
    p = np.exp(_log_probs()) * (_BITS.sum(axis=1) == total)
    return p / p.sum()


def test_the_log_probability_of_each_sum():
    totals = np.arange(5, dtype=np.float32)
    found = sum_log_prob(np.tile(_LOGITS, [5, 1]), totals)
    wanted = [
        scipy.special.logsumexp(_log_probs()[_BITS.sum(axis=1) == total])
        for total in totals
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_sums_of_extreme_logits_are_finite():
    logits = np.array([[80.0, 60.0, -70.0, -90.0]], np.float32)
    # Two ones are all but certain; none costs both, four the other two.
    found = sum_log_prob(np.repeat(logits, 3, axis=0), tf.constant([0.0, 2, 4]))
    np.testing.assert_allclose(found, [-140.0, 0.0, -160.0], atol=1e-4)
    means = bit_means(logits, tf.constant([3.0]))
    np.testing.assert_allclose(means, [[1, 1, 1, 0]], atol=1e-6)


def test_equal_bits_are_binomial():
    wanted = scipy.stats.binom(49, 0.2).logpmf(np.arange(50))
    logits = np.full([50, 49], scipy.special.logit(0.2), np.float32)
    found = sum_log_prob(logits, np.arange(50, dtype=np.float32))
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_a_sum_that_cannot_be_is_improbable():
    log_prob = sum_log_prob(np.stack([_LOGITS] * 2), tf.constant([-1.0, 5.0]))
    assert np.all(log_prob < -1e29)


@pytest.mark.parametrize("total", range(5))
def test_means_given_the_sum(total):
    found = bit_means(_LOGITS[np.newaxis], tf.constant([float(total)]))[0]
    np.testing.assert_allclose(found, _given(total) @ _BITS, atol=1e-5)


@pytest.mark.parametrize("total", [1, 2, 3])
def test_draws_given_the_sum(total):
    num = 20_000
    logits = np.tile(_LOGITS, [num, 1])
    bits = sample_bits(logits, tf.fill([num], float(total)), (3, total)).numpy()
    np.testing.assert_array_equal(bits.sum(axis=1), total)
    number = bits.astype(int) @ [8, 4, 2, 1]
    counts = np.bincount(number, minlength=16)
    possible = _given(total) > 0
    assert counts[~possible].sum() == 0
    test = scipy.stats.chisquare(
        counts[possible], num * _given(total)[possible]
    )
    assert test.pvalue > 1e-6


@pytest.mark.parametrize("total", [0, 4])
def test_draws_of_none_or_all(total):
    bits = sample_bits(_LOGITS[np.newaxis], tf.constant([float(total)]), (0, 0))
    np.testing.assert_array_equal(bits, [[total / 4] * 4])


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
