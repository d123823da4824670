"""Tests of the schedules at points computed by hand."""

import math

import keras
import pytest
import tensorflow as tf

from keras_vae.objectives import LinearWarmup, WarmupCosine


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 0.2), (10, 0.4), (20, 0.6), (40, 1.0), (70, 1.0), (10**9, 1.0)],
)
def test_linear_warmup(step, expected):
    schedule = LinearWarmup(0.2, 1.0, fraction=0.4, total_steps=100)
    assert float(schedule(step)) == pytest.approx(expected, rel=1e-6)


def test_linear_warmup_of_no_length_is_over_at_once():
    schedule = LinearWarmup(0.2, 1.0, fraction=0.0, total_steps=100)
    assert float(schedule(0)) == 1.0


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.0),
        (5, 1.0),  # Half of the rise.
        (10, 2.0),  # The peak.
        (40, 2.0 * (0.1 + 0.9 * 0.75)),  # cos(pi / 3) = 1 / 2.
        (55, 2.0 * (0.1 + 0.9 * 0.5)),  # Half of the fall.
        (100, 0.2),
        (200, 0.2),
    ],
)
def test_warmup_cosine(step, expected):
    schedule = WarmupCosine(2.0, 0.1, 0.1, total_steps=100)
    assert float(schedule(step)) == pytest.approx(expected, rel=1e-5)


def test_warmup_cosine_without_warmup_starts_at_the_peak():
    schedule = WarmupCosine(2.0, 0.0, 0.0, total_steps=100)
    assert float(schedule(0)) == 2.0
    assert float(schedule(100)) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda total: LinearWarmup(0.0, 1.0, 1.0, total),
        lambda total: WarmupCosine(1.0, 0.5, 0.0, total),
    ],
)
def test_length_may_be_a_variable_that_is_revised(make):
    total = tf.Variable(100, dtype=tf.int64)
    schedule = make(total)
    in_graph = tf.function(schedule)
    step = tf.constant(25, tf.int64)
    before = float(in_graph(step))
    total.assign(50)
    assert float(in_graph(step)) == pytest.approx(2 * before)
    assert float(schedule(step)) == pytest.approx(2 * before)


@pytest.mark.parametrize(
    "make",
    [
        lambda total: LinearWarmup(0.25, 0.75, 0.5, total),
        lambda total: WarmupCosine(1.5, 0.25, 0.125, total),
    ],
)
def test_config_holds_the_length_of_the_moment(make):
    schedule = make(tf.Variable(64, dtype=tf.int64))
    config = keras.saving.serialize_keras_object(schedule)
    assert config["config"]["total_steps"] == 64
    copy = keras.saving.deserialize_keras_object(config)
    for step in (0, 3, 40, 64):
        assert float(copy(step)) == float(schedule(step))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: LinearWarmup(0.0, 1.0, -0.1, 10), "fraction"),
        (lambda: LinearWarmup(0.0, 1.0, math.nan, 10), "fraction"),
        (lambda: LinearWarmup(0.0, 1.0, 0.1, 0), "total_steps"),
        (lambda: WarmupCosine(1.0, 1.0, 0.1, 10), "warmup_fraction"),
        (lambda: WarmupCosine(1.0, 0.1, 0.1, 0), "total_steps"),
    ],
)
def test_bad_arguments_are_named(make, name):
    with pytest.raises(ValueError, match=rf"`{name}`.*Received: {name}="):
        make()


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
