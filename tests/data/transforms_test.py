"""Tests of resizing and padding."""

import numpy as np
import pytest
import scipy.stats
from PIL import Image

from keras_vae.config.data_config import DataConfig
from keras_vae.data.binarization import noise_seed
from keras_vae.data.transforms import final_shape, flip_half, make_transform


def _transform(image, config):
    shape = final_shape(image.shape, config)
    return make_transform(shape, config.resize, config.pad)(image).numpy()


def test_padding_is_black_on_every_side():
    image = np.full((2, 3, 1), 9, np.uint8)
    padded = _transform(image, DataConfig(pad=2))
    assert padded.shape == (6, 7, 1)
    np.testing.assert_array_equal(padded[2:-2, 2:-2], image)
    assert padded.sum() == image.sum()


def test_resizing_averages_when_it_shrinks():
    # Without antialiasing a checkerboard would become all black or white.
    image = np.indices((32, 32)).sum(axis=0) % 2 * 255
    small = _transform(
        image.astype(np.uint8)[..., None], DataConfig(resize=(8, 8))
    )
    assert small.dtype == np.uint8
    np.testing.assert_allclose(small, 127.5, atol=2)


def test_resizing_agrees_with_pillow():
    image = np.random.RandomState(0).randint(0, 256, (30, 20, 3), np.uint8)
    ours = _transform(image, DataConfig(resize=(10, 8)))
    theirs = Image.fromarray(image).resize((8, 10), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(ours, np.asarray(theirs).astype(int), atol=1)


def test_resize_then_pad():
    config = DataConfig(resize=(8, 6), pad=1)
    assert final_shape((4, 5, 3), config) == (10, 8, 3)
    image = np.full((4, 5, 3), 255, np.uint8)
    result = _transform(image, config)
    assert result[1:-1, 1:-1].min() == 255
    assert result[0].max() == 0


def test_half_of_the_images_are_mirrored_as_a_whole():
    images = np.random.RandomState(0).randint(0, 256, (10_000, 3, 4, 2))
    images = images.astype(np.uint8)
    result = flip_half(images, noise_seed(0, "flip", 0)).numpy()
    assert result.dtype == np.uint8
    mirrored = np.all(result == images[:, :, ::-1], axis=(1, 2, 3))
    same = np.all(result == images, axis=(1, 2, 3))
    assert np.all(mirrored != same)
    # Both tests fail with 1e-6.
    assert scipy.stats.binomtest(int(mirrored.sum()), 10_000).pvalue > 1e-6
    changes = int(np.sum(mirrored[1:] != mirrored[:-1]))
    assert scipy.stats.binomtest(changes, 9_999).pvalue > 1e-6


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
