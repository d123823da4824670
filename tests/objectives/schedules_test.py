"""Tests of the schedules at points computed by hand."""

import math

import keras
import pytest
import tensorflow as tf

from keras_vae.objectives import (
    KLWarmup,
    LinearWarmup,
    OneStep,
    WarmupCosine,
)


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
    ("step", "expected"), [(0, 1.0), (59, 1.0), (60, 5.0), (10**9, 5.0)]
)
def test_one_step(step, expected):
    schedule = OneStep(1, 5, fraction=0.6, total_steps=100)
    assert float(schedule(step)) == expected


def test_one_step_follows_a_length_that_is_revised():
    total = tf.Variable(100, dtype=tf.int64)
    schedule = OneStep(1, 5, fraction=0.5, total_steps=total)
    assert float(schedule(60)) == 5.0
    total.assign(200)
    assert float(schedule(60)) == 1.0


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


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.0),
        (375, 0.005),  # Half of the rise, within an epoch.
        (749, 0.01 * 749 / 750),
        (5 * 150, 0.01),
        (102 * 150, 0.00859179),
        (202 * 150, 0.00505),
        (399 * 150, 1e-4),
        (60_000, 1e-4),
        (2**62, 1e-4),
    ],
)
def test_warmup_cosine_is_near_the_published_one_by_epochs(step, expected):
    """That falls at the start of each of its 400 epochs of 150 steps."""
    schedule = WarmupCosine(0.01, 5 / 400, 0.01, 60_000)
    value = float(schedule(tf.constant(step, tf.int64)))
    assert value == pytest.approx(expected, rel=4e-3)


def test_warmup_cosine_without_warmup_starts_at_the_peak():
    schedule = WarmupCosine(2.0, 0.0, 0.0, total_steps=100)
    assert float(schedule(0)) == 2.0
    assert float(schedule(100)) == pytest.approx(0.0, abs=1e-6)


# The published run on MNIST: 400 epochs of 150 steps.
@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 1e-4),
        (6, 1e-4),
        (9_000, 0.499667),
        (18_006, 1.0),
        (60_000, 1.0),
        (2**62, 1.0),
    ],
)
def test_kl_warmup(step, expected):
    schedule = KLWarmup(1.0, 0.3, 60_000)
    value = float(schedule(tf.constant(step, tf.int64)))
    assert value == pytest.approx(expected, rel=1e-6)
    scaled = KLWarmup(3.0, 0.3, 60_000)
    assert float(scaled(step)) == pytest.approx(3 * expected, rel=1e-6)


def test_kl_warmup_of_no_length_is_over_at_once():
    assert float(KLWarmup(2.0, 0.0, 100)(0)) == 2.0


@pytest.mark.parametrize(
    "make",
    [
        lambda total: KLWarmup(1.0, 1.0, total, delay=0.0),
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
        lambda total: KLWarmup(0.75, 0.5, total, 0.125, 0.25),
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
        (lambda: KLWarmup(1.0, 1.1, 10), "fraction"),
        (lambda: KLWarmup(1.0, 0.1, 10, delay=-0.1), "delay"),
        (lambda: KLWarmup(1.0, 0.1, 10, floor=math.nan), "floor"),
        (lambda: KLWarmup(1.0, 0.1, 0), "total_steps"),
        (lambda: WarmupCosine(1.0, 1.0, 0.1, 10), "warmup_fraction"),
        (lambda: WarmupCosine(1.0, 0.1, 0.1, 0), "total_steps"),
    ],
)
def test_bad_arguments_are_named(make, name):
    with pytest.raises(ValueError, match=rf"`{name}`.*Received: {name}="):
        make()


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
