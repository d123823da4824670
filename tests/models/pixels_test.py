"""Tests of what a sample shows of p(x|z): its mean, or a draw."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_vae import distributions, seeds
from keras_vae.distributions import IndependentNormal
from keras_vae.errors import UserError
from keras_vae.models import image_of
from tests.models.cases import make_hierarchical, make_model, make_nvae

_GREY, _COLOURS = (2, 3, 1), (2, 3, 3)
LIKELIHOODS = {
    "bernoulli": distributions.IndependentBernoulli(_GREY),
    "continuous_bernoulli": distributions.IndependentContinuousBernoulli(_GREY),
    "normal": distributions.IndependentNormal(_COLOURS, "fixed", 0.5),
    "grey_levels": distributions.DiscretizedLogisticMixture(_GREY, 3, 2),
    "colours": distributions.DiscretizedLogisticMixture(_COLOURS, 3, 2),
}
MAKERS = {"vae": make_model, "hierarchical": make_hierarchical}
_LEVELS = "discretized_logistic_mixture"
_SEED = tf.constant([3, 4])


def _likelihood(name, rows=5, seed=0):
    layer = LIKELIHOODS[name]
    shape = [rows, layer.num_params]
    return layer(tf.random.stateless_normal(shape, [1, seed]))


@tf.function
def _drawn(layer, params, seed):
    return image_of(layer(params), seed)


def _rows(count, first=0):
    numbers = np.arange(first, first + count, dtype=np.int32)
    return tf.stack([np.full_like(numbers, 7), numbers], axis=1)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_mean_is_the_likelihoods_within_the_range_of_images(name):
    likelihood = _likelihood(name)
    np.testing.assert_array_equal(
        image_of(likelihood), np.clip(likelihood.mean(), 0.0, 1.0)
    )


@pytest.mark.parametrize("maker", MAKERS)
def test_what_a_model_shows_is_an_image(maker):
    """The mean of a Gaussian far from [0, 1] included."""
    model = MAKERS[maker]("normal_fixed")
    for weight in model.trainable_variables:
        weight.assign(9.0 * weight + 0.3)
    images = np.random.default_rng(0).random([9, *model.image_shape])
    z = tf.random.stateless_normal([9, model.latent_dim], [1, 2])
    means = model.decoder(z, training=False).mean().numpy()
    assert means.min() < 0.0 or means.max() > 1.0
    for shown in (
        model.decode(z),
        model.reconstruct(images),
        model.sample([9], seed=1),
        model.sample([9], seed=1, pixels="draw"),
    ):
        assert shown.numpy().min() >= 0.0 and shown.numpy().max() <= 1.0


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_row_is_a_function_of_itself_and_its_seed(name):
    # The number of rows is not known, as in an export.
    shape = [None, LIKELIHOODS[name].num_params]

    @tf.function(
        input_signature=[
            tf.TensorSpec(shape),
            tf.TensorSpec([None, 2], "int32"),
        ]
    )
    def draw(params, seed):
        return image_of(LIKELIHOODS[name](params), seed)

    params = tf.random.stateless_normal([5, shape[1]], [1, 2])
    images = draw(params, _rows(5))
    assert images.shape == (5, *LIKELIHOODS[name].event_shape)
    np.testing.assert_array_equal(draw(params[2:4], _rows(2, 2)), images[2:4])
    np.testing.assert_array_equal(draw(params[:0], _rows(0)), images[:0])
    # Of equal rows the seed makes the difference.
    same = draw(tf.tile(params[:1], [5, 1]), _rows(5)).numpy()
    assert len(np.unique(same.reshape(5, -1), axis=0)) > 1


@pytest.mark.parametrize("seed", [_SEED, _rows(2000)])
@pytest.mark.parametrize("name", ["bernoulli", "grey_levels", "colours"])
def test_draws_have_the_probabilities_of_the_likelihood(name, seed):
    """By a chi-squared test of one position's values, at 1e-6."""
    layer, count = LIKELIHOODS[name], 2000
    params = tf.random.stateless_normal([1, layer.num_params], [1, 0])
    images = _drawn(layer, tf.tile(params, [count, 1]), seed).numpy()
    top = 1 if name == "bernoulli" else 3
    levels = top * images[:, 1, 1]
    np.testing.assert_allclose(levels, levels.round(), atol=1e-5)
    # Each value that the position can have, in an image that is 0 elsewhere.
    channels = levels.shape[-1]
    values = np.stack(
        np.meshgrid(*[np.arange(top + 1.0)] * channels), -1
    ).reshape(-1, channels)
    grid = np.zeros([len(values), *layer.event_shape], np.float32)
    grid[:, 1, 1] = values / top
    log_prob = np.float64(
        layer(tf.tile(params, [len(values), 1])).log_prob(grid)
    )
    expected = count * np.exp(log_prob - np.logaddexp.reduce(log_prob))
    found = [np.all(levels.round() == value, axis=1).sum() for value in values]
    rare = expected < 5
    if rare.any():
        expected = np.append(expected[~rare], expected[rare].sum())
        found = np.append(np.array(found)[~rare], np.array(found)[rare].sum())
    assert scipy.stats.chisquare(found, expected).pvalue > 1e-6


def test_draws_are_within_the_range_of_images():
    likelihood = _likelihood("normal", rows=20)
    for seed in (_SEED, _rows(20)):
        images = image_of(likelihood, seed).numpy()
        assert images.min() == 0.0
        assert images.max() == 1.0


@pytest.mark.parametrize("kind", MAKERS)
def test_sample_shows_a_draw_from_the_likelihood_of_its_latents(kind):
    model = MAKERS[kind](_LEVELS)
    plain = model.sample([6], _SEED)
    np.testing.assert_array_equal(
        model.sample([6], _SEED, pixels="mean"), plain
    )
    drawn = model.sample([6], _SEED, pixels="draw").numpy()
    levels = 255 * drawn
    np.testing.assert_allclose(levels, levels.round(), atol=1e-4)
    assert np.abs(drawn - plain).max() > 0.05
    np.testing.assert_array_equal(
        model.sample([6], _SEED, pixels="draw"), drawn
    )
    # Of the prior's mean alone the pixels still differ.
    cold = model.sample([6], _SEED, temperature=0.0, pixels="draw").numpy()
    assert len(np.unique(cold.reshape(6, -1), axis=0)) == 6


@pytest.mark.parametrize("make", [make_model, make_hierarchical, make_nvae])
def test_generate_draws_the_pixels_of_a_row_from_its_seed(make):
    model = make(_LEVELS)
    rows = _rows(4)
    noise = seeds.row_normal(rows, model.latent_dim)
    temperature = tf.constant([0.0, 0.5, 1.0, 1.0])
    drawn = model.generate(noise, temperature, pixel_seed=rows)
    some = model.generate(noise[2:], temperature[2:], pixel_seed=rows[2:])
    np.testing.assert_allclose(some, drawn[2:], atol=1e-6)
    # Their noise is not that of the latents: at temperature 0 it is there too.
    cold = model.generate(noise, tf.zeros([4]), pixel_seed=rows).numpy()
    assert np.abs(cold - model.generate(noise, tf.zeros([4]))).max() > 0.05


@pytest.mark.parametrize("kind", MAKERS)
def test_another_choice_is_refused(kind):
    with pytest.raises(UserError, match=r"Unknown pixels.*pixels=median"):
        MAKERS[kind]().sample([1], _SEED, pixels="median")


@pytest.mark.parametrize("by_row", [False, True])
def test_noise_of_pixels_is_not_that_of_the_latents(by_row):
    num, scale = 400, 0.01
    layer = IndependentNormal((2, 3, 1), "fixed", scale)

    @tf.function
    def draw(seed):
        return image_of(layer(tf.fill([num, 6], 0.5)), seed)

    if by_row:
        seed = seeds.rows(tf.constant([7, 0]), num)
        latents = seeds.row_normal(seed, 6).numpy()
    else:
        seed = tf.constant([7, 0])
        latents = tf.random.stateless_normal([num, 6], seed).numpy()
    drawn = draw(seed).numpy().reshape([num, 6])
    noise = (drawn - drawn.mean(0)) / scale
    # Five standard errors of a correlation that is 0.
    found = np.corrcoef(latents, noise, rowvar=False)[:6, 6:]
    assert np.abs(found).max() < 5 / num**0.5


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
