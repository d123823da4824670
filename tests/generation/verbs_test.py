"""Tests of what the verbs write: reconstruct, traverse, score, encode."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from keras_vae.errors import UserError
from keras_vae.generation import (
    ImageSource,
    encode,
    reconstruct,
    score,
    traverse,
)


def _source(run, **options):
    return ImageSource(data_dir=str(run.data_dir), **options)


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """Returns a folder of images that are no digits."""
    folder = tmp_path_factory.mktemp("noise")
    random = np.random.default_rng(0)
    for index in range(12):
        levels = random.integers(0, 256, [28, 28], dtype=np.uint8)
        Image.fromarray(levels).save(folder / f"{index}.png")
    return folder


def test_reconstructions_beside_their_images(run, tmp_path):
    path = tmp_path / "pairs.png"
    reconstruct(run.workdir, _source(run, num_images=3), path)
    with Image.open(path) as picture:
        assert picture.mode == "L"
        assert np.asarray(picture).std() > 10


def test_traversal_has_a_row_for_each_active_dimension(run, tmp_path):
    path = tmp_path / "dimensions.png"
    traverse(run.workdir, _source(run), path, steps=5)
    with Image.open(path) as picture:
        assert min(picture.size) > 100


def test_noise_is_found_among_digits(run, tmp_path, noise):
    folder = tmp_path / "scores"
    written = score(
        run.workdir,
        _source(run, num_images=20),
        folder,
        outliers=str(noise),
        num_importance_samples=5,
    )
    assert "AUROC" in written.report
    (table,) = folder.glob("*.csv")
    with table.open() as file:
        rows = list(csv.DictReader(file))
    values = [float(row["nll"]) for row in rows]
    assert len(rows) == 32
    assert values == sorted(values, reverse=True)
    (document,) = folder.glob("*.json")
    json.loads(document.read_text())
    assert list(folder.glob("*.png"))
    # Half-white noise is far from any digit: each is above all digits.
    assert [row["outlier"] for row in rows] == 12 * ["1"] + 20 * ["0"]
    found = written.figures["detection"]["nll"]
    assert found["auroc"] == found["average_precision"] == 1.0


def test_latents_have_the_moments_and_the_classes(run, tmp_path):
    folder = tmp_path / "latents"
    encode(run.workdir, _source(run, num_images=9), folder)
    with np.load(folder / "latents.npz") as arrays:
        assert arrays["mean"].shape == arrays["stddev"].shape == (9, 4)
        assert (arrays["stddev"] > 0).all()
        assert set(arrays["label"]) <= set(range(10))
    assert (folder / "projector_config.pbtxt").is_file()


def test_an_output_that_exists_is_not_overwritten(run, tmp_path):
    kept = tmp_path / "latents"
    kept.mkdir()
    (kept / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="Received"):
        encode(run.workdir, _source(run, num_images=9), kept)
    assert [p.name for p in kept.iterdir()] == ["mine.txt"]
