"""Scores of images, against the models that give them."""

import csv

import numpy as np
import pytest
from PIL import Image

from keras_vae.config import TrainingConfig, VAEConfig
from keras_vae.data import DataConfig
from keras_vae.evaluation import image_scores
from keras_vae.generation import ImageSource, score
from keras_vae.generation.source import TrainedModel
from keras_vae.training import ExperimentConfig
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
def scores(tmp_path, monkeypatch, files):
    """Returns a function: the rows of images that models score, by name."""

    def scores(models, resolved, **arguments):
        experiment = ExperimentConfig(
            DataConfig("mnist_5k"), VAEConfig(), TrainingConfig()
        )
        found = {
            name: TrainedModel(model, experiment, resolved)
            for name, model in models.items()
        }
        monkeypatch.setitem(score.__globals__, "load_model", found.__getitem__)
        folder = tmp_path / f"scores{len(list(tmp_path.iterdir()))}"
        seed = arguments.pop("seed", 0)
        source = ImageSource([files], seed=seed)
        score("own", source, folder, **arguments)
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


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
