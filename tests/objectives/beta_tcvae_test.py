"""Tests of the total correlation and the loss that weighs it."""

import dataclasses
import math

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from keras_vae.models import VAE
from keras_vae.objectives import (
    BetaTCVAE,
    Inference,
    LatentGroup,
    ObjectiveContext,
    total_correlation,
)
from tests.models.cases import binary_images, make_model
from tests.objectives.inference_test import gaussian, two_groups

tfd = tfp.distributions

CONTEXT = ObjectiveContext(3, num_examples=40)


def one_group():
    """Returns a pass with one latent vector."""
    inference = two_groups()
    return dataclasses.replace(inference, groups=inference.groups[:1])


def test_total_correlation_is_the_formula_summed_by_hand():
    posterior, loc, scale = gaussian(0, batch=4)
    z = posterior.sample(seed=[0, 1])
    group = LatentGroup(posterior, posterior, z)
    expected = []
    for draw in z.numpy():
        joint, product = 0.0, np.zeros(3)
        for m, s in zip(loc, scale):
            density = scipy.stats.norm(m, s).pdf(draw)
            joint += density.prod() / (40 * 4)
            product += density / (40 * 4)
        expected.append(math.log(joint) - np.log(product).sum())
    np.testing.assert_allclose(
        total_correlation(group, 40), expected, rtol=1e-4
    )


def test_total_correlation_of_a_gaussian_is_known_when_the_batch_is_the_data():
    """q(z|x) = N(W x, S), x ~ N(0, I), is on average N(0, W W^T + S)."""
    count, s = 2000, np.array([0.5, 0.8])
    w = np.array([[1.0, 0.4], [0.9, -0.3]])
    random = np.random.default_rng(0)
    loc = random.normal(size=[count, 2]) @ w.T
    z = loc + s * random.normal(size=[count, 2])
    posterior = tfd.MultivariateNormalDiag(
        tf.constant(loc, tf.float32), tf.constant(s, tf.float32)
    )
    group = LatentGroup(posterior, posterior, tf.constant(z, tf.float32))
    covariance = w @ w.T + np.diag(s**2)
    expected = 0.5 * np.log(np.diag(covariance)).sum()
    expected -= 0.5 * np.linalg.slogdet(covariance)[1]
    found = np.asarray(total_correlation(group, count), np.float64)
    found -= math.log(count)
    assert expected > 0.1
    # Four standard errors of the mean over draws.
    assert found.mean() == pytest.approx(
        expected, abs=4 * found.std() / math.sqrt(count)
    )


@pytest.mark.parametrize("beta", [0.0, 1.0, 6.0])
def test_loss_is_minus_the_elbo_and_the_weighted_total_correlation(beta):
    inference = one_group()
    dependence = total_correlation(inference.groups[0], 40)
    loss = BetaTCVAE(beta)(inference, CONTEXT)
    assert loss.shape == [5]
    np.testing.assert_allclose(
        loss, (beta - 1) * dependence - inference.elbo, rtol=1e-5
    )


def test_the_number_of_examples_is_a_constant_of_the_loss():
    """It says how much dependence there is, and not in which direction."""
    inference = one_group()
    few = BetaTCVAE(3.0)(inference, ObjectiveContext(0, 40))
    many = BetaTCVAE(3.0)(inference, ObjectiveContext(0, 400))
    np.testing.assert_allclose(
        many - few, np.full(5, 2 * 2 * math.log(10)), rtol=1e-4
    )


def test_independent_codes_cost_less_than_dependent_ones():
    random = np.random.default_rng(1)
    x = random.normal(size=[500, 1])
    both = np.concatenate([x, x], axis=1)
    apart = np.concatenate([x, random.permutation(x)], axis=1)
    found = []
    for loc in (both, apart):
        posterior = tfd.MultivariateNormalDiag(
            tf.constant(loc, tf.float32), tf.fill([2], 0.3)
        )
        group = LatentGroup(posterior, posterior, posterior.sample(seed=[0, 2]))
        found.append(float(tf.reduce_mean(total_correlation(group, 500))))
    assert found[0] > found[1] + 0.5


def test_without_the_number_of_examples_it_says_so():
    with pytest.raises(ValueError, match="needs the number of training"):
        BetaTCVAE()(one_group(), ObjectiveContext(0))


def test_other_latents_are_refused():
    with pytest.raises(ValueError, match="Received: 2 latent groups"):
        BetaTCVAE()(two_groups(), CONTEXT)
    full = tfd.MultivariateNormalTriL(tf.zeros([5, 3]), tf.eye(3))
    group = LatentGroup(full, full, tf.zeros([5, 3]))
    with pytest.raises(ValueError, match="Received: MultivariateNormalTriL"):
        total_correlation(group, 40)
    posterior, _, _ = gaussian(0)
    group = LatentGroup(posterior, posterior, posterior.sample(2, seed=[0, 1]))
    with pytest.raises(ValueError, match=r"draws of shape \(2, 5, 3\)"):
        total_correlation(group, 40)


@pytest.mark.parametrize("beta", [-1.0, math.nan, abs])
def test_what_is_no_weight_is_refused(beta):
    with pytest.raises(ValueError, match="`beta` must be .* Received: beta="):
        BetaTCVAE(beta)


@pytest.mark.parametrize("share", [0.25, 0.3])
def test_images_of_a_validation_split_are_not_of_the_training(share):
    parts = make_model()
    model = VAE(parts.encoder, parts.decoder, BetaTCVAE(4.0))
    model.compile("adam", run_eagerly=True)
    model.fit(binary_images(9), validation_split=share, verbose=0)
    # As Keras cuts it: the last ones from the index 9 (1 - share), cut off.
    assert model.num_examples == 6
    # Beside other images for the validation Keras cuts nothing off.
    model.num_examples = None
    model.fit(
        binary_images(9),
        validation_split=share,
        validation_data=(binary_images(2), None),
        verbose=0,
    )
    assert model.num_examples == 9


def test_fit_knows_the_number_of_its_images():
    parts = make_model()
    model = VAE(parts.encoder, parts.decoder, BetaTCVAE(4.0))
    model.compile("adam", jit_compile=False)
    images = binary_images(8)
    model.fit(images, batch_size=4, epochs=1, verbose=0)
    assert model.num_examples == 8
    inference = model.infer(images, model.encode(images), (0, 1))
    assert isinstance(inference, Inference)
    loss = model.objective(inference, ObjectiveContext(0, 8))
    assert np.all(np.isfinite(loss))
    with pytest.raises(ValueError, match="beta-TCVAE.*weights with BetaTCVAE"):
        model.fit(images, sample_weight=np.ones(8), batch_size=4, verbose=0)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
