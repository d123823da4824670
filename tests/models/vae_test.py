"""Tests of the variational autoencoder."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.models import VAE
from keras_vae.objectives import ObjectiveContext
from keras_vae.priors import StandardNormal
from tests.models.cases import IMAGE, binary_images, grey_images, make_model

SEED = (3, 4)


@pytest.mark.parametrize("scale", [0.1, 1.0])
def test_fixed_scale_gives_the_squared_error(scale):
    model = make_model({"name": "normal_fixed", "scale": scale})
    x = grey_images()
    inference = model.infer(x, model.encode(x), SEED)
    loss = model.objective(inference, ObjectiveContext(0))
    posterior = model.encode(x)
    z = posterior.sample(seed=SEED)
    error = np.sum((x - model.decoder(z).mean()) ** 2, (1, 2, 3))
    mean, variance = posterior.mean().numpy(), posterior.variance().numpy()
    kl = 0.5 * (mean**2 + variance - 1 - np.log(variance)).sum(-1)
    constant = math.prod(IMAGE) * math.log(scale * math.sqrt(2 * math.pi))
    np.testing.assert_allclose(
        loss, error / (2 * scale**2) + constant + kl, rtol=1e-4, atol=1e-3
    )


def test_bernoulli_loss_is_the_cross_entropy_and_the_kl():
    model = make_model()
    x = binary_images()
    inference = model.infer(x, model.encode(x), SEED)
    p = model.decode(inference.groups[0].sample).numpy().astype(np.float64)
    cross_entropy = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum((1, 2, 3))
    np.testing.assert_allclose(
        model.objective(inference, ObjectiveContext(0)),
        cross_entropy + inference.kl_divergence,
        rtol=1e-5,
    )


@pytest.mark.parametrize("posterior", ["diagonal", "full"])
def test_draws_follow_the_posterior(posterior):
    model = make_model(posterior=posterior)
    x = binary_images(2)
    encoding = model.encode(x)
    num_samples = 20_000
    group = model.infer(x, encoding, SEED, num_samples).groups[0]
    assert group.sample.shape == [num_samples, 2, 3]
    error = encoding.stddev() / math.sqrt(num_samples)
    # Six means, each beyond 5.3 sigma once in 10 million.
    np.testing.assert_array_less(
        np.abs(np.mean(group.sample, 0) - encoding.mean()), 5.3 * error
    )


def test_more_draws_have_the_shapes_of_the_evaluation():
    model = make_model()
    x = binary_images(2)
    inference = model.infer(x, model.encode(x), SEED, num_samples=5)
    assert inference.log_likelihood.shape == [5, 2]
    assert inference.log_weight.shape == [5, 2]
    assert inference.kl_divergence.shape == [2]  # The closed form.


def test_prior_is_standard_normal_unless_given():
    model = make_model()
    assert isinstance(model.prior, StandardNormal)
    assert model.noise_size == model.latent_dim


def test_a_prior_of_another_size_is_refused():
    model = make_model()
    with pytest.raises(ValueError, match=r"`prior` .* \(3,\).* Received: .*=4"):
        VAE(model.encoder, model.decoder, prior=StandardNormal(4))


def test_an_image_is_a_function_of_its_own_seed():
    model = make_model()
    images = model.sample([6], seed=(1, 2))
    assert images.shape == [6, *IMAGE]
    for index, image in enumerate(images):
        z = tf.random.stateless_normal([1, 3], [1, 2 + index])
        np.testing.assert_allclose(image, model.decode(z)[0], atol=1e-6)
    np.testing.assert_allclose(model.sample([2], (1, 4)), images[2:4], 1e-6)


def test_temperature_scales_the_latents():
    model = make_model()
    z = tf.random.stateless_normal([1, 3], [1, 2])
    for temperature in (0.0, 0.7):
        image = model.sample([1], (1, 2), temperature)
        expected = model.decode(temperature * z)
        np.testing.assert_allclose(image, expected, atol=1e-6)


def test_a_draw_of_the_pixels_is_a_function_of_the_seed_too():
    model = make_model()
    images = model.sample([5], 3, pixels="draw")
    assert set(np.unique(images)) == {0.0, 1.0}
    alone = model.sample([1], (3, 4), pixels="draw")
    np.testing.assert_array_equal(alone[0], images[4])


def test_reconstruction_decodes_the_mean_code():
    model = make_model()
    x = binary_images()
    expected = model.decode(model.encode(x).mean())
    np.testing.assert_allclose(model(x), expected, atol=1e-6)


def test_sample_takes_a_number_or_draws_a_seed():
    model = make_model()
    np.testing.assert_array_equal(
        model.sample([3], 7), model.sample([3], seed=(7, 0))
    )
    keras.utils.set_random_seed(1)
    first, second = model.sample([3]), model.sample([3])
    assert np.any(first != second)
    keras.utils.set_random_seed(1)
    np.testing.assert_array_equal(model.sample([3]), first)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
