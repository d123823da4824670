"""Tests of autoregressive models: exact likelihoods, and draws."""

import itertools

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from keras_vae import seeds
from keras_vae.evaluation import image_scores, likelihood_bounds
from keras_vae.models import Autoregressive
from keras_vae.serving.signatures import make_endpoints
from keras_vae.training import Preparation
from keras_vae.units import NATS
from tests.models.cases import IMAGE, binary_images, make_autoregressive

_LEVELS = "discretized_logistic_mixture"


@pytest.fixture(scope="module")
def model():
    model = make_autoregressive()
    # Else the first value is a tie between 0 and 1.
    bias = model.network.output_bias
    bias.assign(keras.random.normal(bias.shape, seed=1))
    return model


def test_call_is_log_prob(model):
    images = binary_images()
    expected = model.network(images).log_prob(images)
    np.testing.assert_array_equal(model(images), expected)
    assert expected.shape == (8,)


def test_loss_is_the_negative_log_prob():
    model = make_autoregressive()
    model.compile("sgd")
    images = binary_images()
    logs = model.evaluate(images, batch_size=8, verbose=0, return_dict=True)
    log_prob = float(np.mean(model(images)))
    assert logs["loss"] == pytest.approx(-log_prob, rel=1e-5)
    assert logs["log_likelihood"] == pytest.approx(log_prob, rel=1e-5)
    assert set(logs) == {"loss", "log_likelihood"}


def test_training_comes_to_the_entropy_of_what_is_learned():
    """Each image is one of two: log 2 is the least that can be reached."""
    model = make_autoregressive()
    model.compile(keras.optimizers.Adam(0.02))
    images = np.tile(binary_images(2), [16 * 150, 1, 1, 1])
    model.fit(images, batch_size=32, verbose=0)
    nats = -np.mean(model(images[:2]))
    assert np.log(2) - 1e-4 < nats < np.log(2) + 0.1
    # Samples are these images, both of them.
    samples = model.sample([40], seed=1).numpy()
    counts = [
        np.all(samples == image, axis=(1, 2, 3)).sum() for image in images[:2]
    ]
    # 40 draws of which a tenth may be others; one in a million would fail.
    assert sum(counts) > 20
    assert min(counts) > 2


def test_bounds_are_exact_and_need_no_draws(model):
    images = binary_images()
    found = likelihood_bounds(model, [images[:5], images[5:]], 100)
    again = likelihood_bounds(model, [images], 1, seed=7)
    assert found.exact
    assert found.num_importance_samples == 1
    for name in ("elbo", "importance_weighted", "log_likelihood"):
        np.testing.assert_allclose(
            getattr(found, name), model(images), rtol=1e-5
        )
        np.testing.assert_allclose(
            getattr(found, name), getattr(again, name), rtol=1e-5
        )
    np.testing.assert_array_equal(found.kl_divergence, 0)


def test_scores_are_of_the_likelihood_alone(model):
    images = binary_images()
    scores = image_scores(model, images, num_importance_samples=10)
    np.testing.assert_allclose(scores.nll, -model(images).numpy(), rtol=1e-5)
    assert scores.reconstruction_error is None


def test_samples_are_functions_of_their_seed(model):
    one = model.sample([6], seed=3)
    np.testing.assert_array_equal(one, model.sample([6], seed=3))
    other = model.sample([6], seed=4).numpy()
    assert np.any(one != other)
    assert set(np.unique(one)) == {0.0, 1.0}
    assert one.shape == (6, *IMAGE)


def test_samples_at_temperature_zero_are_the_same(model):
    images = model.sample([4], seed=0, temperature=0.0).numpy()
    assert len(np.unique(images, axis=0)) == 1


def test_noise_is_uniform():
    """The normal noise of `generate` gives what uniform noise gives."""
    model = make_autoregressive(shape=(2, 2, 1))
    noise = tf.random.stateless_normal([50_000, 4], [1, 2])
    images = model.generate(noise, tf.ones([50_000])).numpy()
    every = np.array(list(itertools.product([0.0, 1.0], repeat=4)), np.float32)
    every = every.reshape([-1, 2, 2, 1])
    exact = np.exp(model(every).numpy())
    rows = images.reshape([-1, 4]) @ [8, 4, 2, 1]
    counts = np.bincount(rows.astype(int), minlength=16)
    # Each within five standard deviations: one in 100,000 fails by chance.
    deviation = np.sqrt(exact * (1 - exact) / 50_000)
    np.testing.assert_array_less(np.abs(counts / 50_000 - exact), 5 * deviation)


def test_completions_keep_the_rows_above(model):
    images = binary_images(5)
    found = model.complete(tf.constant(images), 2, seed=0).numpy()
    np.testing.assert_array_equal(found[:, :2], images[:, :2])
    assert np.any(found[:, 2:] != images[:, 2:])


@pytest.fixture(scope="module")
def endpoints(model):
    return make_endpoints(
        model, Preparation("dynamic", "none", "bernoulli", NATS)
    )


def test_signatures_are_those_that_it_can_have(endpoints):
    assert list(endpoints) == ["sample", "score"]


def test_a_served_sample_is_a_function_of_its_seed(model, endpoints):
    function, specs = endpoints["sample"]
    sample = tf.function(function, input_signature=specs)
    rows = tf.constant([[0, 1], [0, 2], [5, 1]])
    images = sample(rows, tf.ones([3]))["image"]
    noise = seeds.row_normal(rows, model.noise_size)
    np.testing.assert_array_equal(images, model.generate(noise, tf.ones([3])))
    one = sample(rows[2:], tf.ones([1]))["image"]
    np.testing.assert_array_equal(one[0], images[2])


def test_a_served_score_is_log_prob(model, endpoints):
    images = binary_images(4)
    score = endpoints["score"][0](
        image=tf.constant(images), seed=tf.zeros([4, 2], tf.int32)
    )
    for name in ("elbo", "log_likelihood"):
        np.testing.assert_allclose(score[name], model(images), rtol=1e-5)
    np.testing.assert_array_equal(score["kl_divergence"], np.zeros(4))


def test_levels_of_colours_have_a_likelihood():
    """All 64 images of one pixel of three channels of four levels."""
    model = make_autoregressive(_LEVELS, shape=(1, 1, 3))
    every = np.array(list(itertools.product(range(4), repeat=3)))
    images = (every.reshape([-1, 1, 1, 3]) / 3).astype(np.float32)
    total = scipy.special.logsumexp(model(images))
    assert total == pytest.approx(0, abs=1e-5)


def test_dequantized_images_are_refused(model):
    with pytest.raises(ValueError, match="Received: dequantized_bits=8"):
        Autoregressive(model.network, dequantized_bits=8)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
