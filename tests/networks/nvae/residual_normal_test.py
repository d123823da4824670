"""Tests of the bounded Gaussians and of posteriors relative to priors."""

import math

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.networks.nvae.residual_normal import (
    floored_normal,
    residual_normal,
)

SMOOTH = [False, True]


def raw(loc, log_scale):
    return tf.constant([[loc, log_scale]], tf.float32)


def kl(prior, residual, smooth_scale=False):
    q = residual_normal(prior, residual, smooth_scale)
    return tfd.kl_divergence(q, floored_normal(prior, smooth_scale))


def normal(raw, smooth_scale=False):
    distribution = floored_normal(raw, smooth_scale)
    return distribution.mean(), distribution.stddev()


def random_raw(seed, scale=3.0):
    return tf.random.stateless_normal([50, 8], [seed, 0]) * scale


@pytest.mark.parametrize("smooth_scale", SMOOTH)
def test_zeros_give_a_scale_of_1_01(smooth_scale):
    loc, scale = normal(raw(0.0, 0.0), smooth_scale)
    assert (loc.numpy(), scale.numpy()) == (0.0, np.float32(1.01))


def test_bounds_of_the_scale():
    for log_scale, bound in ((-1e9, 0.01674), (1e9, 148.42)):
        _, scale = normal(raw(0.0, log_scale))
        np.testing.assert_allclose(scale, [[bound]], rtol=1e-3)


def test_smooth_scale():
    x = tf.constant([-2.0, 0.0, 1.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        _, scale = normal(tf.stack([0 * x, x], axis=-1), smooth_scale=True)
    expected = np.log2(1.0 + 2.0 ** x.numpy()) + 0.01
    np.testing.assert_allclose(scale[:, 0], expected, rtol=1e-6)
    assert (tape.gradient(scale, x).numpy() < 1.0).all()
    _, scale = normal(raw(0.0, -1e4), smooth_scale=True)
    np.testing.assert_allclose(scale, [[0.01]])


def test_smooth_scale_of_the_posterior_is_a_product():
    prior, residual = random_raw(0), random_raw(1)
    scale = residual_normal(prior, residual, smooth_scale=True).stddev()
    _, first = normal(prior, smooth_scale=True)
    _, second = normal(residual, smooth_scale=True)
    expected = (first - 0.01) * (second - 0.01) + 0.01
    np.testing.assert_allclose(scale, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("prior", "residual", "expected"),
    [
        ((0.0, 0.0), (1.0, 0.0), 0.477368),
        ((0.0, 0.0), (0.0, -1.0), 0.542153),
        ((0.5, -1.0), (0.25, 0.5), 0.529954),
    ],
)
def test_kl_divergence(prior, residual, expected):
    value = kl(raw(*prior), raw(*residual))
    np.testing.assert_allclose(value, [expected], rtol=1e-5)


@pytest.mark.parametrize("smooth_scale", SMOOTH)
def test_kl_divergence_is_0_without_a_residual_and_else_above(smooth_scale):
    prior = random_raw(0)
    zero = kl(prior, tf.zeros_like(prior), smooth_scale)
    np.testing.assert_array_equal(zero, np.zeros([50]))
    assert (kl(prior, random_raw(1), smooth_scale).numpy() > 0).all()


def test_the_sum_is_bounded_not_its_parts():
    q = residual_normal(raw(4.0, 4.0), raw(-4.0, -3.0))
    np.testing.assert_allclose(q.mean(), [[0.0]], atol=1e-7)
    expected = math.exp(5 * math.tanh(0.2)) + 0.01
    np.testing.assert_allclose(q.stddev(), [[expected]], rtol=1e-6)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
