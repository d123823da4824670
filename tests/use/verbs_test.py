"""Tests of what the verbs write: reconstruct, traverse, score, encode."""

import csv
import json
import types

import numpy as np
import pytest
from PIL import Image

from keras_vae.errors import UserError
from keras_vae.io import sizes
from keras_vae.use import (
    ImageSource,
    encode,
    impute,
    interpolate,
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
    reconstruct(run.trained, _source(run, num_images=3), path)
    with Image.open(path) as picture:
        assert picture.mode == "L"
        assert np.asarray(picture).std() > 10


def test_traversal_has_a_row_for_each_active_dimension(run, tmp_path):
    path = tmp_path / "dimensions.png"
    traverse(run.trained, _source(run), path, steps=5)
    with Image.open(path) as picture:
        assert min(picture.size) > 100


def test_noise_is_found_among_digits(run, tmp_path, noise):
    folder = tmp_path / "scores"
    written = score(
        run.trained,
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
    encode(run.trained, _source(run, num_images=9), folder)
    with np.load(folder / "latents.npz") as arrays:
        assert arrays["mean"].shape == arrays["stddev"].shape == (9, 4)
        assert (arrays["stddev"] > 0).all()
        assert set(arrays["label"]) <= set(range(10))
    assert (folder / "projector_config.pbtxt").is_file()


@pytest.mark.parametrize(
    ("verb", "name", "options", "received"),
    [
        (reconstruct, "pairs.png", {}, "6 images"),
        (interpolate, "ways.png", {"steps": 3}, "6 images and steps=3"),
        (
            interpolate,
            "ways.png",
            {"steps": 4, "between_seeds": [0, 1, 2, 3]},
            "4 seeds and steps=4",
        ),
        (traverse, "dimensions.png", {"steps": 9}, "steps=9"),
        (score, "scores", {"num_shown": 6}, "num_shown=6"),
        (impute, "imputed", {"num_shown": 6}, "num_shown=6"),
    ],
)
def test_pictures_that_would_be_too_large_are_refused(
    run, tmp_path, monkeypatch, verb, name, options, received
):
    # Room for five images.
    monkeypatch.setattr(sizes, "_MAX_PICTURE_PIXELS", 5 * 28 * 28)
    num = {"num_images": 6}
    if verb is traverse or "between_seeds" in options:
        num = {}
    with pytest.raises(UserError, match="too many for one picture") as caught:
        verb(run.trained, _source(run, **num), tmp_path / name, **options)
    assert str(caught.value).endswith(f"Received: {received}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("verb", "name", "available", "received"),
    [
        # Twice the images, float32.
        (encode, "latents", 2 * 6 * 28 * 28 * 4 - 1, "6 images"),
        (score, "scores", 2 * 6 * 28 * 28 * 4 - 1, "6 images"),
        # Its chains take more.
        (impute, "imputed", 100_000, "num_chains=8, num_sweeps=60"),
    ],
)
def test_images_that_memory_does_not_hold_are_refused(
    run, tmp_path, monkeypatch, verb, name, available, received
):
    memory = types.SimpleNamespace(available=available)
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    source = _source(run, num_images=6)
    with pytest.raises(UserError, match="of memory, and .* available") as found:
        verb(run.trained, source, tmp_path / name)
    assert str(found.value).endswith(f"Received: {received}")
    assert not list(tmp_path.iterdir())


def test_an_output_that_exists_is_not_overwritten(run, tmp_path):
    kept = tmp_path / "latents"
    kept.mkdir()
    (kept / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="Received"):
        encode(run.trained, _source(run, num_images=9), kept)
    assert [p.name for p in kept.iterdir()] == ["mine.txt"]
