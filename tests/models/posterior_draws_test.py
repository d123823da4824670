"""Tests of draws from posteriors, of those with a flow above all."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.conditional.observation import MaskedPixels
from keras_vae.conditional.posterior_sampling import (
    ChainConfig,
    sample_posterior,
)
from keras_vae.flows import InverseAutoregressiveFlow
from keras_vae.models import VAE
from keras_vae.models.posterior_draws import base_from_noise
from keras_vae.networks import DenseEncoder
from keras_vae.objectives import BetaTCVAE, ImportanceWeighted, ObjectiveContext
from keras_vae.priors import GaussianMixture, VampPrior
from tests.models.cases import IMAGE, binary_images, make_model

SEED = (3, 4)


def make(objective=None, **options):
    keras.utils.set_random_seed(0)
    posterior = InverseAutoregressiveFlow(3, 2, (8,), 4)
    encoder = DenseEncoder(posterior, IMAGE, (8,), activation="tanh")
    return VAE(encoder, make_model().decoder, objective, **options)


def test_weights_of_many_draws_average_to_the_mass_of_the_prior():
    """E_q[p(z) / q(z|x)] = 1, whatever the flow, if log q is right."""
    model, image = make(), binary_images(3)
    inference = model.infer(image, model.encode(image), SEED, 40_000)
    ratio = np.exp(inference.groups[0].log_ratio.numpy().astype(np.float64))
    error = ratio.std(0) / np.sqrt(len(ratio))
    assert error.max() < 0.05
    # Three images, each beyond 5.3 sigma once in 10 million.
    np.testing.assert_array_less(np.abs(ratio.mean(0) - 1), 5.3 * error)


def test_the_kl_is_that_of_the_draw():
    model, image = make(), binary_images(3)
    q = model.encode(image)
    group = model.infer(image, q, SEED).groups[0]
    prior = model.prior.distribution()
    expected = q.log_prob(group.sample) - prior.log_prob(group.sample)
    np.testing.assert_allclose(group.kl_divergence, expected, atol=1e-4)
    np.testing.assert_allclose(group.log_ratio, -expected, atol=1e-4)


def test_given_noise_and_given_latents_are_one_pass():
    model, image = make(), binary_images(3)
    encoding = model.encode(image)
    noise = tf.random.stateless_normal([3, 3], SEED)
    made = model.infer_with_noise(image, encoding, noise)
    group = made.groups[0]
    found = model.infer_at(image, encoding, group.sample)
    np.testing.assert_allclose(found.elbo, made.elbo, rtol=1e-4)
    base, q = found.groups[0].base, found.groups[0].posterior
    np.testing.assert_allclose((base - q.loc) / q.scale.diag, noise, atol=1e-4)


def test_a_posterior_that_is_no_gaussian_has_no_noise():
    logits = tfd.Independent(tfd.Bernoulli(tf.zeros([3, 3])), 1)
    with pytest.raises(ValueError, match="Gaussian.* Received: Independent"):
        base_from_noise(logits, tf.zeros([3, 3]))


def test_chains_run_with_a_flow():
    """Their Metropolis steps need q(z|x) of latents that it did not draw."""
    model, truth = make(), binary_images(2)
    missing = np.zeros([2, 4, 4], np.float32)
    missing[:, :2] = 1.0
    config = ChainConfig(num_chains=3, burn_in=4, num_sweeps=6)
    found = sample_posterior(
        model, MaskedPixels(truth, missing), truth, truth.mean(0), config
    )
    assert found.image.shape == (3, 2, 4, 4, 1)
    assert np.all(found.trajectory_acceptance > 0.05)
    assert np.all(found.encoder_acceptance > 0.05)


def test_its_code_is_what_the_flow_makes_of_the_mean():
    model, image = make(), binary_images(3)
    q = model.encode(image)
    mean, stddev = model.latent_moments(image)
    np.testing.assert_allclose(mean, q.push(q.base.mean())[0], atol=1e-6)
    np.testing.assert_allclose(model(image), model.decode(mean), atol=1e-6)
    # Their product is the volume that the flow makes of the Gaussian's.
    jacobian = []
    for j in range(3):
        step = 1e-2 * tf.one_hot(j, 3)
        both = [q.push(q.base.mean() + s * step)[0] for s in (1.0, -1.0)]
        jacobian.append((both[0] - both[1]) / 2e-2)
    product = np.linalg.det(np.stack(jacobian, -1).astype(np.float64))
    product *= np.prod(q.base.stddev(), axis=-1)
    np.testing.assert_allclose(np.prod(stddev, axis=-1), product, rtol=1e-2)


@pytest.mark.parametrize(
    "objective", [None, ImportanceWeighted(3)], ids=["elbo", "iwae"]
)
def test_it_learns(objective):
    model = make(objective, prior=GaussianMixture(3, 4))
    model.compile(keras.optimizers.Adam(0.02), jit_compile=False)
    images = np.tile(binary_images(4), [8, 1, 1, 1])
    history = model.fit(images, batch_size=16, epochs=6, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] - 0.5


def test_what_needs_the_density_of_every_posterior_refuses_it():
    model, image = make(), binary_images(3)
    with pytest.raises(ValueError, match=r"Received: InverseAutoregressive"):
        make(prior=VampPrior(3, IMAGE, 4))
    inference = model.infer(image, model.encode(image), SEED)
    with pytest.raises(ValueError, match="Diag with a flow"):
        BetaTCVAE()(inference, ObjectiveContext(0, 10))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
