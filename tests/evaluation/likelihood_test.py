"""Tests of the bounds, on a model whose log p(x) is known."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from keras_vae import seeds
from keras_vae.evaluation import (
    EvaluationConfig,
    image_scores,
    likelihood_bounds,
)
from tests.evaluation.linear_gaussian import LinearGaussian
from tests.models.cases import binary_images, grey_images, make_model

# One of 100 normal numbers is beyond 5.6 sigma once in 500,000.
SIGMA = 5.6


def batches(images, batch_size=20):
    return tf.data.Dataset.from_tensor_slices(images).batch(batch_size)


@pytest.fixture(scope="module")
def exact():
    return LinearGaussian()


@pytest.fixture(scope="module")
def wrong():
    return LinearGaussian(shift=0.2, widen=1.3)


def test_posterior_of_the_encoder_is_the_exact_one(exact):
    x = exact.images(5)
    posterior = exact.model.encode(x)
    np.testing.assert_allclose(
        posterior.covariance()[0], exact.covariance, atol=1e-5
    )
    assert exact.gap() == pytest.approx(0.0, abs=1e-12)
    mean, _ = exact.log_likelihood_moments(x)
    kl = posterior.kl_divergence(exact.model.prior.distribution())
    np.testing.assert_allclose(mean - kl, exact.log_prob(x), atol=1e-4)


def test_a_model_is_traced_once():
    model, images = make_model(), binary_images(4)
    for count in (1, 3, np.int64(3)):
        image_scores(model, images, count)
    for name in ("bounds", "reconstruct"):
        function = model.traced(name, lambda: pytest.fail("made again"))
        assert function.experimental_get_tracing_count() == 1


def test_what_is_set_later_is_not_what_was_traced():
    model, images = make_model("continuous_bernoulli"), grey_images(4)
    before = image_scores(model, images, 3)
    model.dequantized_bits = 5
    after = image_scores(model, images, 3)
    nats = 5 * math.log(2) * images[0].size
    np.testing.assert_allclose(after.nll, before.nll + nats, rtol=1e-5)


@pytest.mark.parametrize("num_samples", [1, 7, 64])
def test_exact_posterior_makes_each_weight_p_of_x(exact, num_samples):
    x = exact.images(50)
    bounds = likelihood_bounds(exact.model, batches(x), num_samples)
    assert bounds.num_importance_samples == num_samples
    assert bounds.importance_weighted.dtype == np.float64
    np.testing.assert_allclose(
        bounds.importance_weighted, exact.log_prob(x), atol=1e-4
    )


@pytest.mark.parametrize("name", ["exact", "wrong"])
def test_elbo_is_log_p_minus_the_gap(name, request):
    known = request.getfixturevalue(name)
    x = known.images(50)
    num_samples = 500
    bounds = likelihood_bounds(known.model, batches(x), num_samples)
    mean, variance = known.log_likelihood_moments(x)
    error = SIGMA * np.sqrt(variance / num_samples)
    assert np.all(np.abs(bounds.log_likelihood - mean) < error)
    expected = known.log_prob(x) - known.gap()
    assert np.all(np.abs(bounds.elbo - expected) < error)
    np.testing.assert_allclose(
        bounds.elbo, bounds.log_likelihood - bounds.kl_divergence
    )


def test_importance_weighted_bound_converges_to_log_p(wrong):
    x = wrong.images(50)
    num_samples = 20_000
    bounds = likelihood_bounds(
        wrong.model, batches(x), num_samples, rows=50_000
    )
    error = math.sqrt(wrong.relative_weight_variance() / num_samples)
    assert error < 0.01 < wrong.gap()
    difference = bounds.importance_weighted - wrong.log_prob(x)
    # The bias, -error^2 / 2, is small beside the spread.
    assert np.all(np.abs(difference) < SIGMA * error)


def test_bounds_are_in_order(wrong):
    # Paired differences over 2,000 images. Where two bounds were equal, or in
    # the other order, this would pass once in a million at most.
    x = wrong.images(2000)
    values = [
        likelihood_bounds(wrong.model, batches(x, 500), 50).elbo,
        *(
            likelihood_bounds(
                wrong.model, batches(x, 500), k
            ).importance_weighted
            for k in (2, 8)
        ),
        wrong.log_prob(x),
    ]
    for lower, higher in itertools.pairwise(values):
        difference = higher - lower
        error = difference.std() / math.sqrt(len(x))
        assert difference.mean() > 4.9 * error


@pytest.mark.parametrize(
    ("rows", "batch_size"), [(1, 50), (30, 7), (10_000, 50)]
)
def test_chunks_and_batches_do_not_change_the_distribution(
    wrong, rows, batch_size
):
    x = wrong.images(50)
    num_samples = 60
    bounds = likelihood_bounds(
        wrong.model, batches(x, batch_size), num_samples, rows=rows
    )
    mean, variance = wrong.log_likelihood_moments(x)
    error = SIGMA * np.sqrt(variance / num_samples)
    assert np.all(np.abs(bounds.log_likelihood - mean) < error)
    # exp of the bound is unbiased; over 50 images its mean is near normal.
    ratio = np.exp(bounds.importance_weighted - wrong.log_prob(x))
    error = math.sqrt(wrong.relative_weight_variance() / num_samples / 50)
    assert abs(ratio.mean() - 1) < SIGMA * error


def test_chunks_draw_independently(wrong):
    # With the same noise in each chunk the error would not fall with K.
    x = wrong.images(50)
    whole = likelihood_bounds(wrong.model, batches(x, 50), 400, rows=50)
    mean, variance = wrong.log_likelihood_moments(x)
    scores = (whole.log_likelihood - mean) / np.sqrt(variance / 400)
    # Chi-squared of 50: above 110 once in a million, below 14 as well.
    assert 14 < np.sum(scores**2) < 110


def test_one_sample_is_the_log_weight_of_one_draw():
    model = make_model()
    images = binary_images(8)
    bounds = likelihood_bounds(model, batches(images, 4), 1, seed=3)
    inferences = [
        model.infer(
            half,
            model.encode(half),
            seeds.fold_in(seeds.fold_in(seeds.from_int(3), index), 0),
            num_samples=1,
        )
        for index, half in enumerate(np.split(images, 2))
    ]
    expected = np.concatenate([i.log_weight[0] for i in inferences])
    np.testing.assert_allclose(bounds.importance_weighted, expected, rtol=1e-5)
    expected = np.concatenate([i.elbo[0] for i in inferences])
    np.testing.assert_allclose(bounds.elbo, expected, rtol=1e-5)


def test_seed_determines_the_draws():
    model = make_model()
    data = batches(binary_images(8), 4)
    first, same, other = (
        likelihood_bounds(model, data, 5, seed=seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(
        first.importance_weighted, same.importance_weighted
    )
    assert not np.isclose(
        first.importance_weighted, other.importance_weighted
    ).any()
    # The two halves of a batch order have other noise as well.
    twice = np.tile(binary_images(4), [2, 1, 1, 1])
    halves = likelihood_bounds(model, batches(twice, 4), 5).elbo
    assert not np.isclose(halves[:4], halves[4:]).any()


def test_encoder_runs_once_and_memory_does_not_grow(monkeypatch):
    model = make_model()
    encoded, largest = tf.Variable(0), tf.Variable(0)
    encode, infer = model.encode, model.infer

    def counted_encode(image, training=False):
        encoded.assign_add(tf.shape(image)[0])
        return encode(image, training)

    def measured_infer(*args, **kwargs):
        inference = infer(*args, **kwargs)
        rows = tf.size(inference.log_weight)
        largest.assign(tf.maximum(largest, rows))
        return inference

    monkeypatch.setattr(model, "encode", counted_encode)
    monkeypatch.setattr(model, "infer", measured_infer)
    images = binary_images(10)
    for num_samples in (1, 50, 333):
        encoded.assign(0)
        largest.assign(0)
        likelihood_bounds(model, batches(images, 4), num_samples, rows=40)
        assert encoded.numpy() == 10
        assert largest.numpy() == min(4 * num_samples, 40)


def test_progress_counts_the_images():
    done = []
    data = batches(binary_images(10), 4)
    likelihood_bounds(make_model(), data, 1, progress=done.append)
    assert done == [4, 8, 10]


def test_impossible_images_give_minus_infinity():
    model = make_model("normal_fixed")
    model.decoder.distribution.scale_value = 1e-25
    bounds = likelihood_bounds(model, batches(binary_images(4), 4), 9, rows=4)
    assert np.all(np.isneginf(bounds.importance_weighted))


@pytest.mark.parametrize("count", [0, -1, 2.5, 2.0, True, "2"])
def test_number_of_samples_is_checked(count):
    name = "num_importance_samples"
    model, message = make_model(), rf"{name} must.*Received: {name}={count}"
    with pytest.raises(ValueError, match=message):
        likelihood_bounds(model, batches(binary_images(4)), count)
    for scored in (model, make_model("normal_fixed", model="autoencoder")):
        with pytest.raises(ValueError, match=message):
            image_scores(scored, binary_images(4), count)
    with pytest.raises(ValueError, match="num_importance_samples must be at"):
        EvaluationConfig(num_importance_samples=count)


def test_a_model_without_latents_has_no_bounds():
    model = make_model("normal_fixed", model="autoencoder")
    with pytest.raises(ValueError, match=r"`model`.*Received: Autoencoder"):
        likelihood_bounds(model, batches(binary_images(4)), 2)


def test_moments_are_those_of_the_exact_posterior():
    known = LinearGaussian()
    x = known.images(300)
    found_mean, found_stddev = known.model.latent_moments(x)
    flat = x.reshape(len(x), -1)
    mean = (flat - known.b) @ known.w @ known.covariance / 0.5**2
    np.testing.assert_allclose(found_mean, mean, atol=1e-4)
    stddev = np.sqrt(np.diag(known.covariance))
    expected = np.tile(stddev, [len(x), 1])
    np.testing.assert_allclose(found_stddev, expected, rtol=1e-4)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
