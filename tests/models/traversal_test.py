"""Tests of traversals."""

import numpy as np
import pytest

from keras_vae.models import VAE, resampled, traverse
from keras_vae.priors import GaussianMixture
from tests.models.cases import (
    IMAGE,
    binary_images,
    make_hierarchical,
    make_model,
)


def test_one_dimension_moves_at_a_time():
    model = make_model()
    image = binary_images(1)
    images = traverse(model, image, (2, 0), limit=2.0, num_steps=5)
    assert images.shape == (2, 5, *IMAGE)
    code = model.encode(image).mean().numpy()
    for row, dimension in enumerate((2, 0)):
        for column, value in enumerate([-2.0, -1.0, 0.0, 1.0, 2.0]):
            moved = code.copy()
            moved[0, dimension] = value
            np.testing.assert_allclose(
                images[row, column], model.decode(moved)[0], atol=1e-6
            )


def test_a_dimension_moves_by_the_deviations_of_its_prior():
    parts = make_model()
    prior = GaussianMixture(3, 2)
    model = VAE(parts.encoder, parts.decoder, prior=prior)
    loc = np.array([[3.0, 0.0, 0.0], [5.0, 0.0, 0.0]])
    prior.set_weights([np.zeros(2), loc, np.zeros([2, 3])])
    image = binary_images(1)
    images = traverse(model, image, [0], limit=1.0, num_steps=2)
    code = model.encode(image).mean().numpy()
    # Mean 4 and variance 1 + 1.
    for column, value in enumerate((4 - 2**0.5, 4 + 2**0.5)):
        code[0, 0] = value
        np.testing.assert_allclose(
            images[0, column], model.decode(code)[0], atol=1e-6
        )


def test_rows_keep_one_group_more_of_the_image():
    model = make_hierarchical()
    image = binary_images(1)
    images = resampled(model, image, num_draws=3)
    assert images.shape == (4, 4, *IMAGE)
    for row in images:
        np.testing.assert_array_equal(row[0], image[0])
    reconstruction = model.reconstruct(image)[0]
    for draw in images[-1, 1:]:
        np.testing.assert_allclose(draw, reconstruction, atol=1e-6)
    # Draws differ less where more is kept; the first row is samples.
    spread = images[:, 1:].std(axis=1).mean(axis=(1, 2, 3))
    assert spread[0] > 0
    assert spread[-1] < 1e-6
    expected = model.sample([3], (model.seed, 0))
    np.testing.assert_allclose(images[0, 1:], expected, atol=1e-6)


def test_each_image_is_followed_by_its_own_draws():
    model = make_hierarchical()
    sources = binary_images(3)
    images = resampled(model, sources, num_draws=2)
    assert images.shape == (4, 9, *IMAGE)
    reconstructions = model.reconstruct(sources)
    for index in range(3):
        block = images[:, 3 * index : 3 * index + 3]
        for row in block:
            np.testing.assert_array_equal(row[0], sources[index])
        for draw in block[-1, 1:]:
            np.testing.assert_allclose(draw, reconstructions[index], atol=1e-6)


def test_seed_and_temperature_of_the_draws():
    model = make_hierarchical()
    images = binary_images(2)
    found = resampled(model, images, 3, temperature=0.5, seed=7)
    copies = np.repeat(images, 3, axis=0)
    for kept, row in enumerate(found):
        draws = row.reshape([2, 4, *IMAGE])[:, 1:].reshape([-1, *IMAGE])
        expected = model.resample(copies, kept, (7, 0), 0.5)
        np.testing.assert_allclose(draws, expected, atol=1e-6)
    other = resampled(model, images, 3, temperature=0.5, seed=8)
    assert np.abs(found[0] - other[0]).max() > 1e-4
    other = resampled(model, images, 3, temperature=1.0, seed=7)
    assert np.abs(found[0] - other[0]).max() > 1e-4


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
