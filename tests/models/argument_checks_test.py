"""Tests that numbers that make no sense are refused by their names."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.evaluation import (
    image_scores,
    likelihood_bounds,
    write_projector,
)
from keras_vae.models import resampled, traverse
from tests.models.cases import (
    binary_images,
    make_hierarchical,
    make_model,
    make_nvae,
)

IMAGES = binary_images(3)
NO_COUNT = (2.5, 0, -1, True, "3", np.float32(2.0), float("nan"))
NO_SEED = (0.5, True, "1", 2**31)
NO_TEMPERATURE = (-0.1, True, "hot", float("nan"), float("inf"))
KINDS = {
    "vae": make_model,
    "autoencoder": lambda: make_model("normal_fixed", model="autoencoder"),
    "hierarchical": make_hierarchical,
    "nvae": make_nvae,
}


@pytest.fixture(scope="module")
def models():
    return {kind: make() for kind, make in KINDS.items()}


def refused(name, values, call):
    for value in values:
        with pytest.raises(ValueError, match=rf"{name}\W.*Received: .*") as e:
            call(value)
            pytest.fail(f"{name}={value!r} is taken")
        assert str(value) in str(e.value)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_of_a_pass(models, kind):
    model = models[kind]
    encoding = model.encode(IMAGES)

    def infer(count):
        return model.infer(IMAGES, encoding, (1, 2), num_samples=count)

    refused("num_samples", NO_COUNT, infer)
    for wrong in (tf.constant(0), tf.constant(2.0), tf.constant([2])):
        with pytest.raises(ValueError, match="num_samples"):
            infer(wrong)
    shape = infer(None).elbo.shape
    assert shape == [3]
    if kind == "autoencoder":
        return  # It draws nothing, whatever it is asked for.
    expected = infer(2).elbo
    assert expected.shape == [2, 3]
    for count in (np.int64(2), tf.constant(2), tf.constant(2, tf.int64)):
        np.testing.assert_allclose(infer(count).elbo, expected, rtol=1e-6)
    found = tf.function(lambda n: infer(n).elbo)(tf.constant(2))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_seed_of_a_pass(models, kind):
    model = models[kind]
    encoding = model.encode(IMAGES)
    if kind == "autoencoder":
        return
    expected = model.infer(IMAGES, encoding, tf.constant([5, 0])).elbo
    found = model.infer(IMAGES, encoding, 5).elbo
    np.testing.assert_array_equal(found, expected)
    refused("seed", NO_SEED, lambda s: model.infer(IMAGES, encoding, s))


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_a_pass(models, kind):
    model = models[kind]
    encoding = model.encode(IMAGES)
    calls = [lambda x: model.infer(x, encoding, (0, 1))]
    if model.group_shapes:
        latents = tf.zeros([3, sum(map(np.prod, model.group_shapes))])
        calls.append(lambda x: model.infer_with_noise(x, encoding, latents))
        calls.append(lambda x: model.infer_at(x, encoding, latents))
    for call in calls:
        for wrong in (IMAGES > 0, (255 * IMAGES).astype("uint8"), IMAGES[0]):
            with pytest.raises(ValueError, match="Images must"):
                call(wrong)


@pytest.mark.parametrize("kind", ["vae", "hierarchical", "nvae"])
def test_samples(models, kind):
    model = models[kind]
    refused(
        "temperature",
        NO_TEMPERATURE,
        lambda t: model.sample([2], 0, temperature=t),
    )
    for wrong in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"temperature.*Received"):
            model.sample([2], 0, temperature=tf.constant(wrong))
    with pytest.raises(ValueError, match=r"temperature.*Received"):
        model.sample([2], 0, temperature=1e39)
    shapes = (4, [0], [2.5], [-1], [True], [2, 3], [], "4", ["4"], [2**40])
    tensors = [2.0], [0], [-1], tf.constant([2**40], tf.int64)
    for shape in (*shapes, [tf.constant(2.0)], *map(tf.constant, tensors)):
        with pytest.raises(ValueError, match=r"`shape` must be \[num_images\]"):
            model.sample(shape, 0)
    refused("seed", NO_SEED, lambda s: model.sample([2], s))
    expected = model.sample([2], 0)
    for shape in ((2,), [np.int64(2)], tf.constant([2])):
        np.testing.assert_array_equal(model.sample(shape, 0), expected)
    if kind == "vae":
        return
    refused(
        "temperature",
        NO_TEMPERATURE,
        lambda t: model.sample([2], 0, [t] + [1.0] * 9),
    )
    refused(
        "num_kept", (1.5, -1, True, 99), lambda n: model.resample(IMAGES, n)
    )


def test_settings_of_a_model():
    for name in ("batch_parts", "training_draws"):
        refused(name, NO_COUNT, lambda v, n=name: _vae(**{n: v}))
    refused("seed", NO_SEED, lambda v: _vae(seed=v))
    model = make_model()
    model.batch_parts = 0
    model.compile("adam", run_eagerly=True)
    with pytest.raises(
        ValueError, match="batch_parts.*Received: batch_parts=0"
    ):
        model.fit(IMAGES, verbose=0)


def _vae(**settings):
    made = make_model()
    return type(made)(made.encoder, made.decoder, **settings)


def test_pictures_of_latents(models):
    model, image = models["vae"], IMAGES[:1]
    refused(
        "num_steps",
        NO_COUNT,
        lambda n: traverse(model, image, [0], num_steps=n),
    )
    refused(
        "limit", NO_TEMPERATURE, lambda n: traverse(model, image, [0], limit=n)
    )
    refused(
        "dimensions",
        (0.5, -1, 3, "0"),
        lambda n: traverse(model, image, [n], num_steps=2),
    )
    levels = models["hierarchical"]
    refused("num_draws", NO_COUNT, lambda n: resampled(levels, image, n))
    refused("seed", NO_SEED, lambda s: resampled(levels, image, seed=s))


def test_recalibration(models):
    def recalibrate(**options):
        with models["nvae"].recalibrated_batch_norm(**options):
            pass

    for name, wrong in (
        ("num_passes", (2.5, -1, True, "3")),
        ("batch_size", NO_COUNT),
        ("temperature", NO_TEMPERATURE),
        ("seed", NO_SEED),
    ):
        settings = {"num_passes": 1, "batch_size": 2}
        refused(
            name,
            wrong,
            lambda v, n=name, s=settings: recalibrate(**{**s, n: v}),
        )


def test_evaluation(models, tmp_path):
    model = models["vae"]
    refused(
        "num_importance_samples",
        NO_COUNT,
        lambda n: likelihood_bounds(model, [IMAGES], n),
    )
    refused(
        "num_importance_samples",
        NO_COUNT,
        lambda n: image_scores(model, IMAGES, n),
    )
    refused("rows", NO_COUNT, lambda n: likelihood_bounds(model, [], 1, rows=n))
    refused("seed", NO_SEED, lambda s: likelihood_bounds(model, [IMAGES], 1, s))
    refused("seed", NO_SEED, lambda s: image_scores(model, IMAGES, 1, s))

    def project(**options):
        settings = {"max_points": 2, "max_dimensions": 2, "seed": 0}
        write_projector(
            tmp_path,
            np.zeros([3, 3]),
            IMAGES,
            {"a": "xyz", "b": "xyz"},
            **{**settings, **options},
        )

    for name in ("max_points", "max_dimensions"):
        refused(name, NO_COUNT, lambda n, name=name: project(**{name: n}))
    refused("seed", NO_SEED, lambda s: project(seed=s))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
