"""Tests of what lies between two vectors, two images and two draws."""

import numpy as np
import pytest
from PIL import Image

from keras_vae.errors import UserError
from keras_vae.use import ImageSource, interpolate
from keras_vae.use.interpolate import linear, spherical

_SHARES = np.linspace(0.0, 1.0, 5)


def test_a_quarter_of_a_circle():
    start, end = np.array([[2.0, 0.0]]), np.array([[0.0, 2.0]])
    angle = _SHARES * np.pi / 2
    expected = 2 * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    np.testing.assert_allclose(
        spherical(start, end, _SHARES)[0], expected, atol=1e-12
    )


def test_an_arc_keeps_the_length():
    random = np.random.default_rng(0)
    a, b = random.normal(size=[2, 7, 32])
    b *= (np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1))[:, np.newaxis]
    points = spherical(a, b, _SHARES)
    lengths = np.linalg.norm(points, axis=-1)
    np.testing.assert_allclose(
        lengths, np.tile(np.linalg.norm(a, axis=1)[:, np.newaxis], [1, 5])
    )
    np.testing.assert_allclose(points[:, 0], a)
    np.testing.assert_allclose(points[:, -1], b)


@pytest.mark.parametrize("factor", [1.0, 3.0, -1.0, 0.0])
def test_without_an_angle_the_arc_is_the_line(factor):
    start = np.array([[1.0, 2.0, -1.0]])
    np.testing.assert_allclose(
        spherical(start, factor * start, _SHARES),
        linear(start, factor * start, _SHARES),
        atol=1e-9,
    )


def test_a_row_for_each_pair_of_images(run, tmp_path):
    path = tmp_path / "ways.png"
    source = ImageSource(split="test", num_images=4, data_dir=str(run.data_dir))
    interpolate(run.trained, source, path, steps=3)
    with Image.open(path) as picture:
        width, height = picture.size
    # Five images in a row, two rows; 2 pixels between them, twice enlarged.
    assert (width, height) == (2 * (5 * 30 + 2), 2 * (2 * 30 + 2))


def test_seeds_that_are_no_pairs_are_refused(run, tmp_path):
    with pytest.raises(UserError, match=r"pairs .* Received: between_seeds=1"):
        interpolate(
            run.trained, ImageSource(), tmp_path / "w.png", between_seeds=[1]
        )
