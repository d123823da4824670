"""Tests of grids and PNG files."""

import numpy as np
import pytest
from PIL import Image

from keras_vae import plotting
from keras_vae.plotting import image_grid, save_png, to_uint8


def test_levels_are_rounded_and_clipped():
    values = np.array([-1.0, 0.0, 0.4999 / 255, 0.5 / 255, 0.5, 1.0, 2.0])
    np.testing.assert_array_equal(
        to_uint8(values), np.array([0, 0, 0, 1, 128, 255, 255], np.uint8)
    )


def test_each_level_survives():
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_uint8(levels / 255), levels)
    single = (levels / 255).astype(np.float32)
    np.testing.assert_array_equal(to_uint8(single), levels)


@pytest.mark.parametrize(
    ("num", "columns", "shape"),
    [(9, None, (3, 3)), (10, None, (3, 4)), (5, 5, (1, 5)), (5, 2, (3, 2))],
)
def test_grid_holds_the_images_row_by_row(num, columns, shape):
    images = np.random.default_rng(0).uniform(size=[num, 4, 3, 1])
    grid = image_grid(images, columns, gap=2)
    assert grid.shape == (shape[0] * 6 + 2, shape[1] * 5 + 2, 1)
    assert grid.dtype == np.float32
    seen = np.full(grid.shape, False)
    for index, image in enumerate(images):
        row, column = divmod(index, shape[1])
        place = np.s_[
            row * 6 + 2 : row * 6 + 6, column * 5 + 2 : column * 5 + 5
        ]
        np.testing.assert_allclose(grid[place], image, rtol=1e-6)
        seen[place] = True
    assert np.all(grid[~seen] == 0.5)


def test_images_may_touch():
    images = np.random.default_rng(0).uniform(size=[2, 4, 3, 3])
    grid = image_grid(images, columns=2, gap=0)
    np.testing.assert_allclose(grid, np.concatenate(images, 1), rtol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("zoom", [1, 3])
def test_png_holds_the_pixels(tmp_path, channels, zoom):
    image = np.random.default_rng(0).uniform(size=[4, 5, channels])
    path = tmp_path / "new" / "image.png"
    save_png(path, image, zoom)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.mode == {1: "L", 3: "RGB"}[channels]
        pixels = np.asarray(picture).reshape(4 * zoom, 5 * zoom, channels)
    expected = np.kron(to_uint8(image), np.ones([zoom, zoom, 1], np.uint8))
    np.testing.assert_array_equal(pixels, expected)
    assert [p.name for p in path.parent.iterdir()] == ["image.png"]


def test_png_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "image.png"
    save_png(path, np.zeros([2, 2, 1]))
    before = path.read_bytes()
    with pytest.raises(TypeError, match="data type"):
        save_png(path, np.zeros([2, 2, 5]))
    assert path.read_bytes() == before


def test_others_stand_beside_their_images():
    images = np.arange(4.0).reshape([4, 1, 1, 1])
    pairs = plotting.side_by_side(images, images + 0.5)
    np.testing.assert_array_equal(pairs.ravel(), np.arange(0, 4, 0.5))
    assert pairs.shape == (8, 1, 1, 1)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
