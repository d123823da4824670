"""Tests of the files that the Embedding Projector reads."""

import time

import numpy as np
import pytest
from PIL import Image

from keras_vae.evaluation import embedding, write_projector
from tests.end_to_end import tensorboard_http

_SHAPE = (3, 2)


def _write(folder, num_images=11, num_dimensions=5, **settings):
    random = np.random.default_rng(0)
    # Each of one level, so that a sprite's place tells which it is.
    images = np.ones((num_images, *_SHAPE, 1), np.float32)
    images *= np.linspace(0, 1, num_images)[:, None, None, None]
    mean = random.normal(size=[num_images, num_dimensions])
    mean *= np.arange(1, num_dimensions + 1)
    mean = mean.astype(np.float32)
    metadata = {
        "position": np.arange(num_images),
        "image": [f"a\tb {i}\n" for i in range(num_images)],
    }
    settings = {"max_points": 1000, "max_dimensions": 1000} | settings
    shown = write_projector(folder, mean, images, metadata, **settings)
    return mean, images, shown


def _levels(folder, num_points):
    """Returns the level of each sprite; fails if one is not of one level."""
    with Image.open(folder / "sprite.png") as file:
        sprite = np.asarray(file)
    assert sprite.ndim == 2
    height, width = _SHAPE
    columns = sprite.shape[1] // width
    levels = []
    for index in range(num_points):
        row, column = divmod(index, columns)
        tile = sprite[row * height :, column * width :][:height, :width]
        assert tile.shape == _SHAPE and tile.min() == tile.max()
        levels.append(int(tile[0, 0]))
    return levels


def test_rows_metadata_and_sprites_are_of_the_same_images(tmp_path):
    mean, images, shown = _write(tmp_path)
    tensors = np.loadtxt(tmp_path / "tensors.tsv", delimiter="\t")
    np.testing.assert_allclose(tensors, mean, rtol=1e-5)
    header, *rows = (tmp_path / "metadata.tsv").read_text().splitlines()
    assert header == "position\timage"
    assert rows == [f"{i}\ta b {i}" for i in range(11)]
    expected = np.round(images[:, 0, 0, 0] * 255).astype(int)
    np.testing.assert_allclose(_levels(tmp_path, 11), expected, atol=1)
    assert len(shown.positions) == 11 and len(shown.dimensions) == 5


@pytest.mark.parametrize("limit", ["max_points", "sprite"])
def test_more_images_than_can_be_shown_are_a_subset(
    tmp_path, monkeypatch, limit
):
    settings = {}
    if limit == "sprite":
        # floor(8 / 3)^2 = 4 images of 3x2.
        monkeypatch.setattr(embedding, "MAX_SPRITE_SIZE", 8)
    else:
        settings["max_points"] = 4
    mean, images, shown = _write(tmp_path, **settings)
    positions = shown.positions
    assert len(set(positions)) == 4
    assert sorted(positions) == list(positions) != [0, 1, 2, 3]
    tensors = np.loadtxt(tmp_path / "tensors.tsv", delimiter="\t")
    np.testing.assert_allclose(tensors, mean[positions], rtol=1e-5)
    lines = (tmp_path / "metadata.tsv").read_text().splitlines()[1:]
    assert [int(line.split("\t")[0]) for line in lines] == list(positions)
    expected = np.round(images[positions, 0, 0, 0] * 255).astype(int)
    np.testing.assert_allclose(_levels(tmp_path, 4), expected, atol=1)
    with Image.open(tmp_path / "sprite.png") as file:
        assert max(file.size) <= embedding.MAX_SPRITE_SIZE


def test_more_dimensions_than_can_be_shown_are_the_most_varying(tmp_path):
    mean, _, shown = _write(tmp_path, num_images=200, max_dimensions=2)
    np.testing.assert_array_equal(shown.dimensions, [3, 4])
    tensors = np.loadtxt(tmp_path / "tensors.tsv", delimiter="\t")
    np.testing.assert_allclose(tensors, mean[:, 3:], rtol=1e-5)


def test_colour_sprites_are_rgb(tmp_path):
    images = np.random.default_rng(0).uniform(size=(4, 2, 2, 3))
    metadata = {"position": range(4), "image": "abcd"}
    write_projector(
        tmp_path,
        np.zeros([4, 2]),
        images,
        metadata,
        max_points=9,
        max_dimensions=9,
    )
    with Image.open(tmp_path / "sprite.png") as file:
        assert file.mode == "RGB" and file.size == (4, 4)
        np.testing.assert_allclose(
            np.asarray(file)[:2, :2], images[0] * 255, atol=0.51
        )


def test_tensorboard_shows_them(tmp_path):
    mean, _, _ = _write(tmp_path)
    plugin = "data/plugin/projector"
    with tensorboard_http.serve(tmp_path) as server:
        deadline = time.monotonic() + 60
        # It looks for itself in a thread of its own.
        while "projector" not in server.plugins():
            assert time.monotonic() < deadline
            time.sleep(0.2)
        (run,) = server.get(f"{plugin}/runs")
        config = server.get(f"{plugin}/info", run=run)
        (found,) = config["embeddings"]
        name = found["tensorName"]
        query = f"?run={run}&name={name}"
        served = server.get_bytes(f"{plugin}/tensor{query}")
        metadata = server.get_bytes(f"{plugin}/metadata{query}")
        sprite = server.get_bytes(f"{plugin}/sprite_image{query}")
    assert found["tensorShape"] == [11, 5]
    assert found["sprite"]["singleImageDim"] == [2, 3]
    values = np.frombuffer(served, np.float32).reshape(11, 5)
    np.testing.assert_allclose(values, mean, rtol=1e-5)
    assert metadata == (tmp_path / "metadata.tsv").read_bytes()
    assert sprite == (tmp_path / "sprite.png").read_bytes()


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
