"""Tests of the stateless seeds."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import seeds
from keras_vae.training import make_strategy


def key(seed):
    return tuple(np.asarray(seed).tolist())


def test_seed_of_an_int():
    for number in (0, 7, 2**31 - 1):
        seed = seeds.from_int(number)
        assert seed.dtype == tf.int32
        assert key(seed) == (number, 0)


def test_seeds_of_rows_count_from_the_first():
    found = seeds.rows(tf.constant([7, 3]), 4)
    assert found.dtype == tf.int32
    assert found.numpy().tolist() == [[7, 3], [7, 4], [7, 5], [7, 6]]
    both = seeds.row_normal(found, 5)
    np.testing.assert_array_equal(
        seeds.row_normal(seeds.rows(tf.constant([7, 5]), 2), 5), both[2:]
    )


def test_every_fold_gives_another_seed():
    base = seeds.from_int(0)
    folded = {key(seeds.fold_in(base, step)) for step in range(1000)}
    assert len(folded) == 1000
    twice = {
        key(seeds.fold_in(seeds.fold_in(base, step), replica))
        for step in range(30)
        for replica in range(30)
    }
    assert len(twice | folded) == 1900
    assert seeds.fold_in(base, 3).dtype == tf.int32
    assert seeds.fold_in(base, 3).shape == [2]


def test_fold_takes_tensors_of_any_integer_type():
    base = seeds.from_int(1)
    expected = key(seeds.fold_in(base, 5))
    for dtype in (tf.int32, tf.int64):
        assert key(seeds.fold_in(base, tf.constant(5, dtype))) == expected
    in_graph = tf.function(seeds.fold_in)
    assert key(in_graph(base, tf.constant(5))) == expected


def test_split_gives_independent_seeds():
    parts = seeds.split(seeds.from_int(2), 5)
    assert len({key(part) for part in parts}) == 5
    draws = tf.stack([tf.random.stateless_normal([10_000], s) for s in parts])
    # 10 correlations of 10,000 numbers, each beyond 5.3 / 100 once in 10
    # million.
    off = np.corrcoef(draws)[np.triu_indices(5, 1)]
    assert np.abs(off).max() < 0.053


def test_each_replica_has_its_own_seed():
    base = seeds.from_int(3)
    strategy = make_strategy("mirrored")
    results = strategy.run(tf.function(lambda: seeds.replica(base)))
    found = [key(s) for s in strategy.experimental_local_results(results)]
    assert found == [key(seeds.fold_in(base, i)) for i in range(2)]


def test_outside_a_strategy_the_seed_is_that_of_replica_0():
    base = seeds.from_int(3)
    assert key(seeds.replica(base)) == key(seeds.fold_in(base, 0))
    with make_strategy("mirrored").scope():
        assert key(seeds.replica(base)) == key(seeds.fold_in(base, 0))


@pytest.mark.parametrize(
    "number", [2**31, 2**33 + 5, -(2**31) - 1, 4_000_000_000]
)
def test_seed_beyond_32_bits_is_refused_in_an_array_too(number):
    for given in (
        number,
        np.array(number),
        np.array([number, 0]),
        [0, number],
        tf.constant(number, tf.int64),
        tf.constant([0, number], tf.int64),
        np.array(abs(number), np.uint64),
    ):
        with pytest.raises(ValueError, match="`seed` must be a whole number"):
            seeds.any_seed(given)
    with pytest.raises(ValueError, match="`seed` must be a whole number"):
        seeds.from_int(tf.constant(number, tf.int64))
    lowest = tf.constant([-(2**31), 2**31 - 1], tf.int64)
    assert key(seeds.any_seed(lowest)) == (-(2**31), 2**31 - 1)


def test_rows_count_on_from_the_seed():
    found = seeds.rows(tf.constant([7, 3]), 4)
    np.testing.assert_array_equal(found, [[7, 3], [7, 4], [7, 5], [7, 6]])
    assert seeds.rows(tf.constant([7, 3]), 0).shape == [0, 2]


def test_any_seed_is_a_number_a_pair_or_drawn():
    for given in (3, np.int64(3), np.array(3), tf.constant(3)):
        assert key(seeds.any_seed(given)) == (3, 0)
    for given in ((1, 2), [1, 2], np.array([1, 2]), tf.constant([1, 2])):
        assert key(seeds.any_seed(given)) == (1, 2)
    keras.utils.set_random_seed(0)
    drawn = [key(seeds.any_seed()) for _ in range(3)]
    assert len(set(drawn)) == 3
    in_graph = tf.function(seeds.any_seed)
    assert key(in_graph()) != key(in_graph())
    keras.utils.set_random_seed(0)
    assert [key(seeds.any_seed()) for _ in range(3)] == drawn


@pytest.mark.parametrize("seed", [0.5, True, "1", 2**31, (1, 2, 3), (0.5, 1.0)])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(ValueError, match="`seed` must be .* Received: seed="):
        seeds.any_seed(seed)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
