"""Tests of the losses."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.objectives import ELBO, Inference, LinearWarmup, SquaredError
from tests.objectives.inference_test import two_groups

STEP = 3


def mean_kl(inference):
    return [float(tf.reduce_mean(g.kl_divergence)) for g in inference.groups]


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_loss_is_minus_log_likelihood_plus_beta_kl(beta):
    inference = two_groups()
    loss = ELBO(beta)(inference, STEP)
    expected = beta * inference.kl_divergence - inference.log_likelihood
    assert loss.shape == [5]
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_loss_with_beta_1_is_minus_the_elbo():
    inference = two_groups()
    np.testing.assert_allclose(
        ELBO()(inference, STEP), -inference.elbo, rtol=1e-6
    )


def test_beta_may_be_a_schedule():
    inference = two_groups()
    objective = ELBO(LinearWarmup(0.0, 2.0, 0.5, 20))
    assert float(objective.kl_weight(STEP)) == pytest.approx(0.6)
    expected = 0.6 * inference.kl_divergence - inference.log_likelihood
    np.testing.assert_allclose(objective(inference, STEP), expected, rtol=1e-6)


def test_free_bits_are_for_each_group_and_batch_mean():
    inference = two_groups()
    low, high = sorted(mean_kl(inference))
    floor = (low + high) / 2  # One group is below it and one above.
    loss = ELBO(2.0, free_bits=floor)(inference, STEP)
    expected = 2.0 * (floor + high) - inference.log_likelihood
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_few_free_bits_do_not_change_the_mean_loss():
    inference = two_groups()
    floor = min(mean_kl(inference)) / 2
    with_bits = ELBO(free_bits=floor)(inference, STEP)
    without = ELBO()(inference, STEP)
    np.testing.assert_allclose(np.mean(with_bits), np.mean(without), rtol=1e-6)


def test_free_bits_cost_no_gradient_below_the_floor():
    inference = two_groups()
    loc = inference.groups[0].posterior.loc

    def gradient(free_bits):
        with tf.GradientTape() as tape:
            tape.watch(loc)
            moved = inference.groups[0].posterior.copy(loc=loc)
            group = type(inference.groups[0])(
                moved, inference.groups[0].prior, inference.groups[0].sample
            )
            passed = Inference(inference.image, inference.likelihood, (group,))
            loss = ELBO(free_bits=free_bits)(passed, STEP)
        return tape.gradient(
            loss, loc, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )

    assert np.any(gradient(1e-3))
    assert not np.any(gradient(1e3))


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
@pytest.mark.parametrize("name", ["beta", "free_bits"])
def test_bad_weights_are_named(name, value):
    with pytest.raises(
        ValueError, match=rf"`{name}`.*Received: {name}={value}"
    ):
        ELBO(**{name: value})


def test_squared_error_equals_numpy():
    inference = two_groups()
    difference = inference.image.numpy() - inference.likelihood.mean().numpy()
    objective = SquaredError()
    np.testing.assert_allclose(
        objective(inference, STEP), (difference**2).sum((1, 2, 3)), rtol=1e-5
    )
    assert float(objective.kl_weight(STEP)) == 0.0


def test_schedule_survives_serialization():
    objective = ELBO(LinearWarmup(0.1, 1.0, 0.25, 80), free_bits=0.5)
    config = keras.saving.serialize_keras_object(objective)
    copy = keras.saving.deserialize_keras_object(config)
    assert copy.free_bits == 0.5
    for step in (0, 7, 100):
        assert float(copy.kl_weight(step)) == float(objective.kl_weight(step))


def test_a_function_that_could_not_be_saved_is_no_schedule():
    with pytest.raises(ValueError, match=r"`beta`.*LearningRateSchedule"):
        ELBO(lambda step: 1.0)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
