"""Scores of images, against the models that give them."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from keras_vae.config import TrainingConfig, VAEConfig
from keras_vae.data import DataConfig
from keras_vae.evaluation import image_scores
from keras_vae.training import ExperimentConfig, Preparation, TrainedModel
from keras_vae.units import NATS
from keras_vae.use import ImageSource, score
from tests.models.cases import IMAGE, make_model

_BITS = {
    "binarization": "dynamic",
    "dequantization": "none",
    "likelihood": "bernoulli",
}
_GREY = {
    "binarization": "none",
    "dequantization": "uniform",
    "likelihood": "normal_shared",
}


@pytest.fixture
def files(tmp_path):
    """Returns a folder of six images of black and white pixels."""
    folder = tmp_path / "images"
    folder.mkdir()
    levels = 255 * np.random.default_rng(0).integers(0, 2, [6, *IMAGE])
    for index, image in enumerate(levels[..., 0].astype(np.uint8)):
        Image.fromarray(image).save(folder / f"{index}.png")
    return str(folder)


@pytest.fixture
def scores(tmp_path, files):
    """Returns a function: the rows of images that models score, by name."""

    def scores(models, decided, **arguments):
        experiment = ExperimentConfig(
            DataConfig("mnist_5k"), VAEConfig(), TrainingConfig()
        )
        preparation = Preparation(**decided, unit=NATS)
        found = {
            name: TrainedModel(model, experiment, preparation)
            for name, model in models.items()
        }
        if "background" in arguments:
            arguments["background"] = found[arguments["background"]]
        folder = tmp_path / f"scores{len(list(tmp_path.iterdir()))}"
        seed = arguments.pop("seed", 0)
        source = ImageSource([files], seed=seed)
        score(found["own"], source, folder, **arguments)
        with (folder / "scores.csv").open() as file:
            rows = list(csv.DictReader(file))
        prepared = source.load(found["own"], dequantize=True)
        return rows, prepared

    return scores


def _column(rows, name, order):
    by_image = {row["image"]: float(row[name]) for row in rows}
    return np.array([by_image[image] for image in order])


def test_the_likelihood_ratio_is_that_of_the_two_models(scores):
    models = {"own": make_model(seed=0), "other": make_model(seed=1)}
    rows, prepared = scores(
        models, _BITS, background="other", num_importance_samples=7, seed=3
    )
    nll, other, ratio = (
        _column(rows, name, prepared.names)
        for name in ("nll", "background_nll", "nll_ratio")
    )
    np.testing.assert_allclose(ratio, nll - other, atol=1e-5)
    for values, name in ((nll, "own"), (other, "other")):
        wanted = image_scores(models[name], prepared.images, 7, seed=3)
        np.testing.assert_allclose(values, wanted.nll, rtol=1e-6)
    assert np.abs(ratio).min() > 1e-3
    # The most unusual is the one that the background finds more likely.
    found = [float(row["nll_ratio"]) for row in rows]
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("k", [1, 7])
def test_scores_are_bounds_of_the_prepared_images(scores, k):
    models = {"own": make_model("normal_shared")}
    rows, prepared = scores(models, _GREY, num_importance_samples=k)
    # A density is one of dequantized images, whose values are no levels.
    assert len(np.unique(prepared.images)) > 50
    wanted = image_scores(models["own"], prepared.images, k)
    for name, values in (
        ("reconstruction_error", wanted.reconstruction_error),
        ("kl_divergence", wanted.bounds.kl_divergence),
    ):
        found = _column(rows, name, prepared.names)
        np.testing.assert_allclose(found, values, rtol=1e-6, err_msg=name)


@pytest.fixture
def animals(tmp_path):
    """Returns a run whose images are 40 files in two folders of classes."""
    random = np.random.default_rng(1)
    for index in range(40):
        path = tmp_path / "animals" / ("cats", "dogs")[index % 2]
        path.mkdir(parents=True, exist_ok=True)
        levels = 255 * random.integers(0, 2, IMAGE[:2], np.uint8)
        Image.fromarray(levels).save(path / f"{index}.png")
    data = DataConfig("image_folder", data_dir=str(tmp_path / "animals"))
    experiment = ExperimentConfig(data, VAEConfig(), TrainingConfig())
    preparation = Preparation(**_BITS, unit=NATS)
    return TrainedModel(make_model(), experiment, preparation)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("num_images", [None, 3])
def test_images_of_a_folder_are_named_by_their_files(
    animals, split, num_images
):
    found = ImageSource(split=split, num_images=num_images, seed=4).load(
        animals
    )
    size = num_images or {"train": 32, "test": 4}[split]
    assert len(set(found.names)) == len(found.images) == size
    for name, image, label in zip(found.names, found.images, found.labels):
        with Image.open(name) as file:
            np.testing.assert_array_equal(np.asarray(file) / 255, image[..., 0])
        assert name.split("/")[-2] == found.class_names[label]


def test_files_and_classes_are_shown_and_written(animals, tmp_path):
    source = ImageSource(split="train", num_images=6)
    written = score(animals, source, tmp_path / "scores")
    with (tmp_path / "scores" / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    document = json.loads((tmp_path / "scores" / "scores.json").read_text())
    first, *lines, _ = written.report.splitlines()
    assert first == "the 5 most unusual of 6 images"
    assert len(lines) == 5 and len(rows) == len(document["images"]) == 6
    for row, image in zip(rows, document["images"], strict=True):
        assert row["image"] == image["image"]
        assert row["class"] == image["class"] == row["image"].split("/")[-2]
        assert ("cats", "dogs")[int(row["label"])] == row["class"]
    for line, row in zip(lines, rows):
        assert line.endswith(f"  {row['image']}  ({row['class']})")


@pytest.mark.parametrize(
    ("num", "text"),
    [
        (1, "1 image, the most unusual first"),
        (5, "5 images, the most unusual first"),
    ],
)
def test_all_images_are_listed_where_they_are_few(animals, tmp_path, num, text):
    source = ImageSource(split="train", num_images=num)
    report = score(animals, source, tmp_path / "scores").report.splitlines()
    assert report[0] == text
    assert len(report) == num + 2


def test_a_conditional_model_says_given_what(animals, tmp_path):
    model = make_model(class_names=("cats", "dogs"), num_classes="auto")
    trained = dataclasses.replace(animals, model=model)
    others = str(tmp_path / "animals" / "cats")
    for outliers, given in (
        (None, "given the class"),
        (others, "mixture of all classes"),
    ):
        source = ImageSource(split="train")
        written = score(trained, source, tmp_path / given, outliers=outliers)
        last = f"IW, K=100, {given}, nats per image, dynamic binarization"
        assert last in written.report.splitlines()[-1]


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
