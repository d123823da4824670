"""Tests of the losses."""

import math

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from keras_vae.objectives import (
    ELBO,
    ImportanceWeighted,
    Inference,
    KLWarmup,
    LatentGroup,
    LinearWarmup,
    ObjectiveContext,
    OneStep,
    SquaredError,
    balancing_weights,
    group_scales,
)
from tests.objectives.cases import two_groups

tfd = tfp.distributions

STEP = 3
CONTEXT = ObjectiveContext(STEP)


def mean_kl(inference):
    return [float(tf.reduce_mean(g.kl_divergence)) for g in inference.groups]


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_loss_is_minus_log_likelihood_plus_beta_kl(beta):
    inference = two_groups()
    loss = ELBO(beta)(inference, CONTEXT)
    expected = beta * inference.kl_divergence - inference.log_likelihood
    assert loss.shape == [5]
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_loss_with_beta_1_is_minus_the_elbo():
    inference = two_groups()
    np.testing.assert_allclose(
        ELBO()(inference, CONTEXT), -inference.elbo, rtol=1e-6
    )


def test_beta_may_be_a_schedule():
    inference = two_groups()
    objective = ELBO(LinearWarmup(0.0, 2.0, 0.5, 20))
    assert float(objective.kl_weight(STEP)) == pytest.approx(0.6)
    expected = 0.6 * inference.kl_divergence - inference.log_likelihood
    np.testing.assert_allclose(
        objective(inference, CONTEXT), expected, rtol=1e-6
    )


def test_free_bits_are_for_each_group_and_batch_mean():
    inference = two_groups()
    low, high = sorted(mean_kl(inference))
    floor = (low + high) / 2  # One group is below it and one above.
    loss = ELBO(2.0, free_bits=floor)(inference, CONTEXT)
    expected = 2.0 * (floor + high) - inference.log_likelihood
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_few_free_bits_do_not_change_the_mean_loss():
    inference = two_groups()
    floor = min(mean_kl(inference)) / 2
    with_bits = ELBO(free_bits=floor)(inference, CONTEXT)
    without = ELBO()(inference, CONTEXT)
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
            loss = ELBO(free_bits=free_bits)(passed, CONTEXT)
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


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        # MNIST, CelebA 64, FFHQ, one scale, vectors.
        ([(4, 4, 20)] * 5 + [(8, 8, 20)] * 10, [1] * 5 + [2] * 10),
        (
            [(8, 8, 20)] * 5 + [(16, 16, 20)] * 10 + [(32, 32, 20)] * 20,
            [1] * 5 + [2] * 10 + [4] * 20,
        ),
        (
            [(8, 8, 20)] * 4
            + [(16, 16, 20)] * 4
            + [(32, 32, 20)] * 4
            + [(64, 64, 20)] * 8
            + [(128, 128, 20)] * 16,
            [1] * 4 + [4] * 4 + [16] * 4 + [32] * 8 + [64] * 16,
        ),
        ([(16, 16, 20)] * 30, [1] * 30),
        ([(3,), (3,)], [1, 1]),
        # Channels are no positions, of a vector as of a map.
        ([(32,), (4, 4, 8)], [1, 16]),
        ([(32,), (16,), (16,), (4, 4, 1), (4, 4, 1)], [2, 1, 1, 16, 16]),
        ([(2, 2, 3), (4, 4, 20)], [1, 4]),
    ],
)
def test_group_scales(shapes, expected):
    np.testing.assert_allclose(group_scales(shapes), expected, rtol=1e-12)


def test_balancing_weights():
    kl = tf.constant([1.99, 1.99, 1.99])
    with tf.GradientTape() as tape:
        tape.watch(kl)
        gamma = balancing_weights(kl, [1.0, 2.0, 2.0])
        loss = tf.reduce_sum(gamma)
    np.testing.assert_allclose(gamma, [1.5, 0.75, 0.75], rtol=1e-6)
    assert tape.gradient(loss, kl) is None
    equal = balancing_weights(tf.constant([0.99, 1.99]), [1.0, 2.0])
    np.testing.assert_allclose(equal, [1.0, 1.0], rtol=1e-6)
    random = np.random.default_rng(0).uniform(0, 50, size=7)
    gamma = balancing_weights(tf.constant(random, tf.float32), [1.0] * 7)
    assert np.mean(gamma) == pytest.approx(1.0, rel=1e-6)


def _hierarchy(loc):
    """Returns a pass of one group of 1x1x2 and two groups of 2x2x2."""
    groups = []
    for shift, shape in ((1.5, (1, 1, 2)), (0.5, (2, 2, 2)), (0.1, (2, 2, 2))):
        mean = loc + shift * tf.reshape(tf.range(3.0), [3, 1, 1, 1])
        posterior = tfd.Independent(
            tfd.Normal(mean + tf.zeros(shape), 1.0),
            reinterpreted_batch_ndims=3,
        )
        prior = tfd.Independent(
            tfd.Normal(tf.zeros(shape), 1.0), reinterpreted_batch_ndims=3
        )
        groups.append(LatentGroup(posterior, prior, posterior.mean()))
    image = tf.zeros([3, 2, 2, 1])
    likelihood = tfd.Independent(
        tfd.Normal(loc * tf.ones([3, 2, 2, 1]), 1.0),
        reinterpreted_batch_ndims=3,
    )
    return Inference(image, likelihood, tuple(groups))


def test_balance_weights_the_groups_in_the_warmup():
    loc = tf.constant(0.3)
    objective = ELBO(LinearWarmup(0.0, 2.0, 0.5, 20), balance=True)
    with tf.GradientTape() as tape:
        tape.watch(loc)
        inference = _hierarchy(loc)
        loss = objective(inference, CONTEXT)
        total = tf.reduce_mean(loss)
    # KL = loc^2 / 2 for each dimension of unit variance.
    means = 0.3 + np.outer([1.5, 0.5, 0.1], np.arange(3.0))
    dimensions = np.array([[2.0], [8.0], [8.0]])
    kl = dimensions * means**2 / 2
    # One group of one position, two of four: 1 / 1 and 4 / 2.
    share = (kl.mean(axis=1) + 0.01) / np.array([1.0, 2.0, 2.0])
    gamma = share / share.mean()
    expected = 0.6 * gamma @ kl - inference.log_likelihood
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    # The derivative with gamma held: 4 pixels of -log N(0; 0.3, 1).
    slope = 0.6 * gamma @ (dimensions * means).mean(axis=1) + 4 * 0.3
    assert float(tape.gradient(total, loc)) == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("last", [0.5, 4.0])
def test_balance_lasts_until_the_last_beta_whatever_it_is(last):
    inference = _hierarchy(tf.constant(0.3))
    kl = np.array([group.kl_divergence for group in inference.groups])
    share = (kl.mean(axis=1) + 0.01) / np.array([1.0, 2.0, 2.0])
    objective = ELBO(LinearWarmup(0.0, last, 0.5, 20), balance=True)
    for step, gamma in ((9, share / share.mean()), (10, np.ones(3))):
        beta = last * step / 10
        expected = beta * gamma @ kl - inference.log_likelihood
        np.testing.assert_allclose(
            objective(inference, ObjectiveContext(step)), expected, rtol=1e-5
        )


def test_balance_takes_estimates_below_zero_for_what_is_carried():
    """Of a group with a flow: log q - log p of a draw may be of any sign."""
    normal = tfd.Independent(tfd.Normal(tf.zeros([2, 1]), 1.0), 1)
    # KL (z^2 - base^2) / 2 of -2 and 2, and of 1 and 1.
    pairs = [([0.0, 2.0], [2.0, 0.0]), ([2.0**0.5] * 2, [0.0, 0.0])]
    groups = tuple(
        LatentGroup(
            normal,
            normal,
            tf.reshape(tf.constant(sample), [2, 1]),
            tf.reshape(tf.constant(base), [2, 1]),
        )
        for sample, base in pairs
    )
    image = tf.zeros([2, 1, 1, 1])
    likelihood = tfd.Independent(tfd.Normal(image, 1.0), 3)
    inference = Inference(image, likelihood, groups)
    objective = ELBO(LinearWarmup(0.0, 1.0, 0.5, 20), balance=True)
    gamma = np.array([2.01, 1.01]) / 1.51
    kl = gamma @ np.array([[-2.0, 2.0], [1.0, 1.0]])
    expected = 0.5 * kl + 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(
        objective(inference, ObjectiveContext(5)), expected, rtol=1e-5
    )


def test_balance_is_over_with_the_warmup():
    inference = _hierarchy(tf.constant(0.3))
    schedule = KLWarmup(1.0, 0.3, 100)
    balanced, plain = ELBO(schedule, balance=True), ELBO(schedule)
    warm = ObjectiveContext(29)
    assert not np.allclose(balanced(inference, warm), plain(inference, warm))
    for step in (31, 2**62):
        step = tf.constant(step, tf.int64)
        np.testing.assert_allclose(
            balanced(inference, ObjectiveContext(step)),
            -inference.elbo,
            rtol=1e-6,
        )
    # Without a schedule there is no warm-up to balance.
    constant = ELBO(0.5, balance=True)
    np.testing.assert_array_equal(
        constant(inference, ObjectiveContext(0)),
        ELBO(0.5)(inference, ObjectiveContext(0)),
    )


def test_balance_and_free_bits():
    inference = _hierarchy(tf.constant(0.3))
    schedule = LinearWarmup(0.5, 1.0, 0.5, 100)
    objective = ELBO(schedule, free_bits=3.0, balance=True)
    kl = np.array(mean_kl(inference))
    assert kl.min() < 3.0 < kl.max()
    share = (kl + 0.01) / np.array([1.0, 2.0, 2.0])
    paid = np.sum(share / share.mean() * np.maximum(kl, 3.0))
    np.testing.assert_allclose(
        objective(inference, ObjectiveContext(0)),
        0.5 * paid - inference.log_likelihood,
        rtol=1e-5,
    )


def test_squared_error_equals_numpy():
    inference = two_groups()
    difference = inference.image.numpy() - inference.likelihood.mean().numpy()
    objective = SquaredError()
    np.testing.assert_allclose(
        objective(inference, CONTEXT), (difference**2).sum((1, 2, 3)), rtol=1e-5
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


@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_importance_weighted_loss_is_minus_the_log_of_the_mean_weight(beta):
    inference = two_groups([7])
    objective = ImportanceWeighted(7, ELBO(beta))
    log_likelihood = inference.log_likelihood.numpy().astype(np.float64)
    ratio = inference.log_weight.numpy() - log_likelihood
    expected = scipy.special.logsumexp(
        log_likelihood + beta * ratio, axis=0, b=1 / 7
    )
    loss = objective(inference, CONTEXT)
    assert loss.shape == [5]
    np.testing.assert_allclose(loss, -expected, rtol=1e-5)


def test_importance_weighted_loss_of_one_draw_is_the_elbo():
    elbo = ELBO(0.5, free_bits=0.25)
    objective = ImportanceWeighted(OneStep(1, 3, 0.5, 10), elbo)
    for step, draws in [(0, 1), (4, 1), (5, 3), (10**6, 3)]:
        assert int(objective.draws(tf.constant(step))) == draws
    inference = two_groups([1])
    np.testing.assert_allclose(
        objective(inference, CONTEXT), elbo(inference, CONTEXT)[0], rtol=1e-6
    )
    inference = two_groups()
    np.testing.assert_allclose(
        objective(inference, CONTEXT), elbo(inference, CONTEXT), rtol=1e-6
    )


@pytest.mark.parametrize("late", [False, True])
def test_importance_weighted_gradient_weighs_the_draws(late):
    """Burda et al. (2016), equation 14, with w_k over their sum."""
    x, noise = np.array([0.3, -1.2, 2.0]), np.array([[0.5], [-1.0], [0.1]])
    count = OneStep(1, 3, 0.5, 10) if late else 3
    loc = tf.Variable([0.2, -0.4, 0.9])

    def inference():
        posterior = tfd.Independent(tfd.Normal(loc[:, None], 0.8), 1)
        z = loc[None, :, None] + tf.constant(0.8 * noise, tf.float32)[:, None]
        group = LatentGroup(
            posterior, tfd.Independent(tfd.Normal(tf.zeros([1]), 1.0), 1), z
        )
        likelihood = tfd.Normal(z[..., 0], 0.5)
        return Inference(tf.constant(x, tf.float32), likelihood, (group,))

    with tf.GradientTape() as tape:
        objective, context = ImportanceWeighted(count), ObjectiveContext(9)
        loss = objective(inference(), context)
    # By hand: d/dloc log w_k = (x - z) / 0.25 - z, as log q does not move.
    z = loc.numpy()[None] + 0.8 * noise
    log_w = -((x - z) ** 2) / 0.5 - z**2 / 2 + noise**2 / 2
    weights = scipy.special.softmax(log_w, axis=0)
    expected = -(weights * ((x - z) / 0.25 - z)).sum(0)
    np.testing.assert_allclose(
        tape.gradient(loss, loc), expected, rtol=1e-4, atol=1e-5
    )


def test_importance_weighted_loss_comes_to_the_evidence():
    """p(z) = N(0, 1), p(x|z) = N(z, 1): p(x) = N(0, 2)."""
    x, count = np.array([0.7, -1.5]), 4000
    posterior = tfd.Independent(tfd.Normal(tf.zeros([2, 1]), 1.5), 1)
    z = posterior.sample(count, seed=[3, 1])
    prior = tfd.Independent(tfd.Normal(tf.zeros([1]), 1.0), 1)
    inference = Inference(
        tf.constant(x, tf.float32),
        tfd.Normal(z[..., 0], 1.0),
        (LatentGroup(posterior, prior, z),),
    )
    loss = ImportanceWeighted(count)(inference, CONTEXT)
    evidence = scipy.stats.norm(0, np.sqrt(2)).logpdf(x)
    # The weights' coefficient of variation is below 1: 5 standard errors.
    np.testing.assert_allclose(loss, -evidence, atol=5 / np.sqrt(count))


@pytest.mark.parametrize("count", [0, -3, 2.5, 2.0, True, "2", np.nan])
def test_importance_weighted_needs_a_draw(count):
    with pytest.raises(ValueError, match="at least 1"):
        ImportanceWeighted(count)


def test_number_of_draws_may_be_one_of_numpy():
    assert ImportanceWeighted(np.int64(2)).num_samples == 2


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
