"""Tests of the mixture of posteriors of pseudo-inputs."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from keras_vae import seeds
from keras_vae.config import TrainingConfig, VAEConfig
from keras_vae.data import DataConfig
from keras_vae.distributions import MultivariateNormalDiag
from keras_vae.errors import UserError
from keras_vae.models import VAE
from keras_vae.networks import DenseEncoder
from keras_vae.priors import VampPrior
from keras_vae.serving.signatures import make_endpoints
from keras_vae.training import ExperimentConfig, Preparation, TrainedModel
from keras_vae.units import NATS
from keras_vae.use.sample import sample_batches
from tests.models.cases import IMAGE, binary_images, make_model

COUNT = 5


def make(posterior="diagonal", num_components=COUNT):
    """Returns a VAE of `IMAGE`s whose prior started from images."""
    parts = make_model(posterior=posterior)
    prior = VampPrior(3, IMAGE, num_components)
    model = VAE(parts.encoder, parts.decoder, prior=prior)
    prior.initialize(binary_images(8))
    return model


@pytest.mark.parametrize("posterior", ["diagonal", "full"])
def test_log_prob_is_that_of_the_mixture_of_posteriors(posterior):
    model = make(posterior)
    q = model.encode(model.prior.pseudo_inputs.numpy())
    z = np.random.default_rng(0).normal(size=[6, 3])
    parts = [
        scipy.stats.multivariate_normal(mean, covariance).logpdf(z)
        for mean, covariance in zip(q.mean().numpy(), q.covariance().numpy())
    ]
    expected = scipy.special.logsumexp(parts, axis=0) - np.log(COUNT)
    found = model.prior(tf.constant(z, tf.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("posterior", ["diagonal", "full"])
def test_draws_follow_the_posterior_of_their_pseudo_input(posterior):
    model, share = make(posterior), 3.5 / COUNT  # The middle of the fourth.
    noise = np.random.default_rng(1).normal(size=[4, 4])
    noise[:, 0] = scipy.stats.norm.ppf(share)
    q = model.encode(model.prior.pseudo_inputs.numpy()[3:4])
    deviation = noise[:, 1:] @ np.linalg.cholesky(q.covariance()[0].numpy()).T
    expected = q.mean().numpy() + 0.5 * deviation
    z = model.prior.from_noise(
        tf.constant(noise, tf.float32), tf.fill([4], 0.5)
    )
    np.testing.assert_allclose(z, expected, atol=1e-5)


def test_each_image_is_a_function_of_its_own_seed():
    model = make()
    assert model.noise_size == 4
    images = model.sample([40], seed=3)
    for index in (0, 17):
        alone = model.sample([1], seed=(3, index))
        np.testing.assert_allclose(alone[0], images[index], atol=1e-6)
    # At temperature 0 they are the means of the pseudo-inputs' posteriors.
    cold = model.sample([200], seed=3, temperature=0.0).numpy()
    code = model.encode(model.prior.pseudo_inputs.numpy()).mean()
    assert len(np.unique(cold.round(4), axis=0)) == COUNT
    for image in model.decode(code).numpy():
        assert np.abs(cold - image).max((1, 2, 3)).min() < 1e-5


@pytest.mark.parametrize("pixels", ["mean", "draw"])
def test_python_the_verb_and_an_export_give_the_same_image(pixels):
    model = make()
    expected = model.sample([4], seed=3, pixels=pixels)
    preparation = Preparation("static", "none", "bernoulli", NATS)
    experiment = ExperimentConfig(
        DataConfig("mnist_5k"), VAEConfig(), TrainingConfig()
    )
    trained = TrainedModel(model, experiment, preparation)
    (images,) = sample_batches(trained, 4, 3, pixels=pixels)
    np.testing.assert_allclose(images, expected, atol=1e-6)
    function, specs = make_endpoints(model, preparation, pixels)["sample"]
    served = tf.function(function, input_signature=specs)(
        seeds.rows(tf.constant([3, 0]), 4), tf.ones([4])
    )
    np.testing.assert_allclose(served["image"], expected, atol=1e-6)


def test_it_starts_as_different_training_images():
    images = binary_images(8)
    started = make(num_components=8).prior.pseudo_inputs.numpy()
    np.testing.assert_array_equal(started, images)
    some = make().prior.pseudo_inputs.numpy()
    assert len(np.unique(some, axis=0)) == COUNT
    assert all(any(np.array_equal(a, b) for b in images) for a in some)


def test_pixels_that_left_the_range_come_back():
    prior = make().prior
    prior.pseudo_inputs.assign(tf.fill(prior.pseudo_inputs.shape, 1.5))
    seen = []
    prior.connect(lambda image: seen.append(image) or make().encode(image))
    with tf.GradientTape() as tape:
        log_prob = prior(tf.ones([2, 3]))
    np.testing.assert_array_equal(seen[0], np.ones([COUNT, *IMAGE]))
    gradient = tape.gradient(log_prob, prior.pseudo_inputs.value)
    assert np.all(gradient != 0)


def test_more_pseudo_inputs_than_images_are_refused():
    with pytest.raises(
        ValueError, match=r"not be above .* 8.* Received: num_components=9"
    ):
        make(num_components=9)


def test_images_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"\[num, 4, 4, 1\].* Received: shape"):
        make().prior.initialize(np.zeros([8, 4, 4], np.float32))


def test_no_pseudo_inputs_are_refused():
    with pytest.raises(UserError, match=r"`num_components` .* Received: 0"):
        VampPrior(3, IMAGE, 0)


def test_without_a_model_it_says_what_it_needs():
    prior = VampPrior(3, IMAGE, COUNT)
    prior.build()
    with pytest.raises(ValueError, match="give it to the model"):
        prior.distribution()


def test_a_conditional_model_refuses_it():
    parts = make_model(class_names=("a", "b"), num_classes="auto")
    with pytest.raises(ValueError, match=r"`prior` .* Received: num_classes=2"):
        VAE(parts.encoder, parts.decoder, prior=VampPrior(3, IMAGE, COUNT))


def test_it_is_the_average_posterior_when_all_images_are_pseudo_inputs():
    """E_x KL(q(z|x) || p(z)) is then the mutual information, at most log N."""
    parts = make_model()
    sharp = DenseEncoder(MultivariateNormalDiag(3), IMAGE, ())
    prior = VampPrior(3, IMAGE, 8)
    model = VAE(sharp, parts.decoder, prior=prior)
    kernel, bias = sharp.get_weights()
    bias[3:] = -8.0  # Hardly any spread: each image has a code of its own.
    kernel[:, 3:] = 0.0
    sharp.set_weights([kernel, bias])
    prior.initialize(binary_images(8))
    image = tf.constant(binary_images(8))
    inference = model.infer(image, model.encode(image), (0, 1))
    np.testing.assert_allclose(
        inference.kl_divergence, np.full(8, np.log(8)), rtol=1e-3
    )


def test_the_seed_chooses_the_images_to_start_from():
    prior = make().prior
    images = binary_images(8)
    started = []
    for seed in (0, 0, 1, 2, 3):
        prior.initialize(images, seed)
        started.append(prior.pseudo_inputs.numpy())
    np.testing.assert_array_equal(started[0], started[1])
    assert any(np.any(some != started[0]) for some in started[2:])


def test_draws_are_of_pixels_within_the_range():
    model = make()
    inputs = model.prior.pseudo_inputs
    inputs.assign(tf.fill(inputs.shape, 1.5))
    cold = model.prior.from_noise(tf.zeros([2, 4]), tf.zeros([2]))
    wanted = model.encode(np.ones([2, *IMAGE], np.float32)).mean()
    np.testing.assert_allclose(cold, wanted, atol=1e-6)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
