"""Tests of hierarchical models, on the two networks that they may have."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import seeds
from keras_vae.evaluation import likelihood_bounds
from keras_vae.models import HierarchicalVAE, resampled
from keras_vae.objectives import LatentGroup
from tests.models.cases import (
    binary_images,
    grey_images,
    make_hierarchical,
    make_nvae,
)

_SEED = (3, 4)


@pytest.fixture(
    scope="module", params=["hierarchical", "dense", "nvae", "flow"]
)
def model(request) -> HierarchicalVAE:
    makers = {
        "hierarchical": make_hierarchical,
        "dense": lambda: make_hierarchical(dense_groups=2),
        "nvae": make_nvae,
        "flow": lambda: make_nvae(num_flows=1),
    }
    made = makers[request.param]()
    # The first weights hardly tell groups and images apart.
    random = np.random.default_rng(0)
    for variable in made.trainable_variables:
        noise = random.normal(scale=0.1, size=variable.shape)
        variable.assign(variable.numpy() + noise)
    return made


def _flat(tensors) -> np.ndarray:
    return np.concatenate([np.reshape(t, [len(t), -1]) for t in tensors], 1)


def test_sizes_agree(model):
    sizes = [int(np.prod(shape)) for shape in model.group_shapes]
    assert len(sizes) > 1
    assert sum(sizes) == model.latent_dim
    inference = model.infer(
        binary_images(), model.encode(binary_images()), _SEED
    )
    assert [
        tuple(group.sample.shape[1:]) for group in inference.groups
    ] == list(model.group_shapes)
    assert inference.elbo.shape == (8,)


def test_decoding_what_was_drawn_gives_the_same_likelihood(model):
    images = binary_images()
    inference = model.infer(images, model.encode(images), _SEED)
    z = _flat([group.sample for group in inference.groups])
    np.testing.assert_allclose(
        model.decode(z), inference.likelihood.mean(), rtol=1e-5, atol=1e-6
    )


def test_with_its_latents_given_an_image_does_not_matter(model):
    z = np.random.default_rng(0).normal(size=(8, model.latent_dim))
    z = z.astype(np.float32)
    before = model.decode(z)
    model.encode(grey_images())
    np.testing.assert_array_equal(model.decode(z), before)


def test_latents_of_another_size_are_refused(model):
    size, images = model.latent_dim, binary_images(2)
    encoding = model.encode(images)
    for shape in ([2, size + 1], [2, size - 1], [size, 2], []):
        message = rf"`z` must have .*\[\.\.\., {size}\].* Received: shape"
        with pytest.raises(ValueError, match=message):
            model.decode(tf.zeros(shape))
        with pytest.raises(ValueError, match=message):
            model.infer_with_noise(images, encoding, tf.zeros(shape))


def test_noise_of_rows_is_the_noise_of_groups(model):
    images = binary_images()
    encoding = model.encode(images)
    seed = tf.constant(_SEED)
    expected = model.infer(images, encoding, seed)
    noise = _flat(model.decoder.draw_noise(8, seed))
    actual = model.infer_with_noise(images, encoding, noise)
    np.testing.assert_allclose(actual.elbo, expected.elbo, rtol=1e-5)


def test_a_sample_is_a_function_of_its_own_seed(model):
    """As in an export and in the verbs, `[a, b + i]` for image i."""
    rows = np.int32([[3, 4], [3, 5], [3, 6], [3, 7]])
    noise = seeds.row_normal(rows, model.latent_dim)
    for pixels, pixel_seed in (("mean", None), ("draw", rows)):
        images = model.generate(noise, tf.ones([4]), pixel_seed=pixel_seed)
        samples = model.sample([4], _SEED, pixels=pixels)
        np.testing.assert_allclose(samples, images, rtol=1e-5, atol=1e-6)
        some = model.sample([2], (3, 6), pixels=pixels)
        np.testing.assert_allclose(some, images[2:], rtol=1e-5, atol=1e-6)


def test_at_temperature_0_the_seed_does_not_matter(model):
    a = model.sample([2], (0, 1), temperature=0.0)
    b = model.sample([2], (5, 6), temperature=0.0)
    np.testing.assert_array_equal(a, b)
    assert np.any(model.sample([2], (0, 1)) != a)


def test_temperatures_of_groups_and_rows(model):
    count = len(model.group_shapes)
    seed = tf.constant(_SEED)
    everywhere = model.sample([3], seed, temperature=0.5)
    np.testing.assert_allclose(
        model.sample([3], seed, temperature=[0.5] * count), everywhere
    )
    noise = seeds.row_normal(seeds.rows(seed, 3), model.latent_dim)
    rows = model.generate(noise, tf.constant([0.5, 1.0, 0.0]))
    np.testing.assert_allclose(rows[0], everywhere[0], rtol=1e-5, atol=1e-6)
    cold = model.sample([3], seed, temperature=0.0)
    np.testing.assert_allclose(rows[2], cold[2], rtol=1e-5, atol=1e-6)
    top_cold = model.sample([3], seed, [0.0] + [1.0] * (count - 1))
    assert np.any(top_cold != everywhere)
    with pytest.raises(ValueError, match="one for each of the"):
        model.sample([3], seed, temperature=[0.5])


def test_what_is_kept_of_an_image(model):
    images = binary_images(2)
    count = len(model.group_shapes)
    np.testing.assert_allclose(
        model.resample(images, count, _SEED),
        model.reconstruct(images),
        rtol=1e-5,
        atol=1e-6,
    )
    np.testing.assert_allclose(
        model.resample(images, 0, _SEED),
        model.sample([2], _SEED),
        rtol=1e-5,
        atol=1e-6,
    )
    a = model.resample(images, 1, (0, 0))
    b = model.resample(images, 1, (0, 1))
    assert np.any(a != b)
    with pytest.raises(
        ValueError, match="num_kept must be .* at least 0 and at most"
    ):
        model.resample(images, count + 1, _SEED)


def test_a_picture_of_what_each_group_decides(model):
    images = resampled(model, binary_images(1), num_draws=2)
    count = len(model.group_shapes)
    assert images.shape == (count + 1, 3, *model.image_shape)
    for row in images:
        np.testing.assert_array_equal(row[0], binary_images(1)[0])
    np.testing.assert_allclose(images[-1, 1], images[-1, 2], rtol=1e-5)


def test_moments_of_the_posterior(model):
    images = binary_images()
    mean, stddev = model.latent_moments(images)
    assert mean.shape == stddev.shape == (8, model.latent_dim)
    assert np.all(stddev.numpy() > 0)
    np.testing.assert_allclose(
        model.decode(mean), model.reconstruct(images), rtol=1e-5, atol=1e-6
    )
    # Of the top group they are those of every draw.
    inference = model.infer(images, model.encode(images), _SEED)
    top = inference.groups[0].posterior.stddev()
    size = int(np.prod(model.group_shapes[0]))
    np.testing.assert_allclose(
        stddev[:, :size], np.reshape(top, [8, -1]), rtol=1e-5
    )


def test_importance_samples_are_single_passes(model):
    images = binary_images(3)
    encoding = model.encode(images)
    seed = tf.constant(_SEED)
    many = model.infer(images, encoding, seed, num_samples=2)
    assert many.log_weight.shape == (2, 3)
    assert many.kl_divergence.shape == (2, 3)
    noise = _flat(model.decoder.draw_noise(6, seed))
    for index in range(2):
        rows = noise[3 * index : 3 * index + 3]
        one = model.infer_with_noise(images, encoding, rows)
        np.testing.assert_allclose(
            many.log_weight[index], one.log_weight, rtol=1e-5, atol=1e-4
        )


def test_the_bound_with_one_sample_is_the_monte_carlo_elbo(model):
    images = binary_images(4)
    batches = tf.data.Dataset.from_tensors(images)
    bounds = likelihood_bounds(model, batches, 1, seed=5)
    seed = seeds.fold_in(seeds.from_int(5), 0)
    inference = model.infer(
        images, model.encode(images), seeds.fold_in(seed, 0), num_samples=1
    )
    np.testing.assert_allclose(
        bounds.importance_weighted, inference.log_weight[0], rtol=1e-5
    )


def test_the_bound_encodes_once_and_repeats_the_top_down_pass(
    model, monkeypatch
):
    encoded, decoded = tf.Variable(0), tf.Variable(0)
    encode, descend = model.encode, model.decoder.descend

    def counted_encode(image, training=False, **condition):
        encoded.assign_add(tf.shape(image)[0])
        return encode(image, training, **condition)

    def counted_descend(choices, rows, *args):
        decoded.assign_add(rows)
        return descend(choices, rows, *args)

    monkeypatch.setattr(model, "encode", counted_encode)
    monkeypatch.setattr(model.decoder, "descend", counted_descend)
    batches = tf.data.Dataset.from_tensor_slices(binary_images(6)).batch(4)
    likelihood_bounds(model, batches, 5, rows=8)
    assert encoded.numpy() == 6
    assert decoded.numpy() == 6 * 5


def test_more_importance_samples_tighten_the_bound(model):
    """With K draws the expectation rises with K; 400 images, 6 sigma."""
    images = binary_images(400, seed=1)
    batches = tf.data.Dataset.from_tensor_slices(images).batch(200)
    one = likelihood_bounds(model, batches, 1, seed=0).importance_weighted
    many = likelihood_bounds(model, batches, 16, seed=1).importance_weighted
    difference = many - one
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    assert difference.mean() > -6 * error
    # And it does, by far: the posteriors of new weights are bad ones.
    assert difference.mean() > 6 * error


def test_evaluation_is_repeatable(model):
    images = binary_images()
    passes = [
        model.infer(images, model.encode(images), _SEED).elbo.numpy()
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*passes)


def test_a_training_step_lowers_the_loss_of_its_batch():
    model = make_hierarchical()
    model.compile(optimizer="adam", jit_compile=False)
    images = binary_images(8)
    before = model.evaluate(images, verbose=0)[0]
    for _ in range(30):
        model.train_on_batch(images)
    assert model.evaluate(images, verbose=0)[0] < before - 0.5


def test_a_flow_that_keeps_volume_moves_no_density():
    """q(z) of z = z0 + 2 is the density of z0 before the flow."""
    base = tfd.Independent(tfd.Normal([[0.5]], [[2.0]]), 1)
    prior = tfd.Independent(tfd.Normal([[0.0]], [[1.0]]), 1)
    z0 = tf.constant([[0.25]])
    group = LatentGroup(base, prior, z0 + 2.0, base_sample=z0)
    moved = tfd.Normal(2.5, 2.0)  # What q is after the flow.
    expected = moved.log_prob(2.25) - tfd.Normal(0.0, 1.0).log_prob(2.25)
    np.testing.assert_allclose(group.kl_divergence, [expected], rtol=1e-6)
    np.testing.assert_allclose(group.log_ratio, [-expected], rtol=1e-6)


def test_groups_of_one_shape_have_noise_of_their_own():
    model = make_hierarchical(num_groups=(2, 2))
    shapes = model.group_shapes
    assert len(set(shapes)) < len(shapes)
    noise = model.decoder.draw_noise(8, tf.constant(_SEED))
    flat = [np.ravel(values) for values in noise]
    for index, one in enumerate(flat):
        for other in flat[:index]:
            size = min(len(one), len(other))
            assert np.abs(one[:size] - other[:size]).max() > 0.1
    inference = model.infer(
        binary_images(), model.encode(binary_images()), tf.constant(_SEED)
    )
    for group, expected in zip(inference.groups, noise, strict=True):
        posterior = group.posterior
        drawn = (group.sample - posterior.mean()) / posterior.stddev()
        np.testing.assert_allclose(drawn, expected, rtol=1e-3, atol=1e-4)


def test_sample_takes_a_number_or_draws_a_seed(model):
    np.testing.assert_array_equal(
        model.sample([2], 3), model.sample([2], seeds.from_int(3))
    )
    images = binary_images(2)
    np.testing.assert_array_equal(
        model.resample(images, 1, 3),
        model.resample(images, 1, seeds.from_int(3)),
    )
    assert np.any(model.sample([2]) != model.sample([2]))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
