"""Tests of the way from images to an export, in one process."""

import json

import numpy as np
import PIL.Image
import pytest

from keras_vae import pipeline
from keras_vae.config import TrainingConfig
from keras_vae.data import ArraySplit, DataConfig, ImageDataset
from keras_vae.errors import UserError
from keras_vae.evaluation import EvaluationConfig
from keras_vae.model_configs import HierarchicalConfig, NVAEConfig, VAEConfig
from keras_vae.training import ExperimentConfig, TrainResult
from tests.models.cases import IMAGE, make_hierarchical, make_nvae

_GROUND = 60


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder of 40 small grey pictures."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for index in range(40):
        levels = random.integers(_GROUND, 256, [6, 8]).astype(np.uint8)
        PIL.Image.fromarray(levels).save(folder / f"{index:02d}.png")
    return folder


def _experiment(images, **config):
    values = {
        "architecture": "dense",
        "hidden_units": (8,),
        "latent_dim": 2,
        "batch_size": 8,
        **config,
    }
    return ExperimentConfig(
        DataConfig("image_folder", data_dir=str(images)),
        VAEConfig(**values),
        TrainingConfig(epochs=1),
    )


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def vae_run(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae")
    result = pipeline.run(
        _experiment(images),
        folder / "run",
        evaluation=EvaluationConfig(num_importance_samples=2),
        export_dir=folder / "model",
    )
    return folder, result


def test_run_trains_draws_evaluates_and_exports(vae_run):
    folder, result = vae_run
    assert isinstance(result, TrainResult)
    assert result.interrupted is None
    assert _names(folder) == ["model", "run"]
    assert _names(folder / "model") == ["1"]
    results = json.loads((folder / "run" / "results.json").read_text())
    assert set(results) == {"test", "training"}
    assert results["test"]["nll"]["num_importance_samples"] == 2
    assert results["training"] == result.summary


def test_run_draws_its_pictures(vae_run):
    folder, _ = vae_run
    pictures = folder / "run" / "pictures"
    assert _names(pictures) == [
        "reconstructions.png",
        "samples.png",
        "test_images",
        "traversals.png",
    ]
    # A tenth of the images, at least one, is for testing.
    assert len(_names(pictures / "test_images")) == 4


def test_test_images_are_those_of_the_folder(vae_run, images):
    folder, _ = vae_run
    found = {
        path.read_bytes()
        for path in (folder / "run" / "pictures" / "test_images").iterdir()
    }
    levels = {
        np.asarray(PIL.Image.open(path)).tobytes() for path in images.iterdir()
    }
    for data in found:
        assert data.startswith(b"\x89PNG")
    for path in (folder / "run" / "pictures" / "test_images").iterdir():
        assert np.asarray(PIL.Image.open(path)).tobytes() in levels


def test_autoencoder_has_no_samples(images, tmp_path):
    pipeline.run(_experiment(images, model="autoencoder"), tmp_path / "run")
    assert _names(tmp_path) == ["run"]
    assert _names(tmp_path / "run" / "pictures") == [
        "reconstructions.png",
        "test_images",
    ]
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert set(results) == {"training"}


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """Returns a function that draws what a model does as if it were a run's.

    It returns name -> (width, height) of the pictures.
    """

    def draw(model, config):
        experiment = ExperimentConfig(
            DataConfig("mnist_5k"), config, TrainingConfig()
        )
        monkeypatch.setattr(
            pipeline, "load_trained", lambda workdir: (model, experiment)
        )
        levels = np.random.default_rng(0).integers(256, size=(12, *IMAGE))
        split = ArraySplit(levels.astype(np.uint8))
        dataset = ImageDataset("grey", IMAGE, None, {"test": split})
        paths = pipeline.draw_pictures(tmp_path, dataset)
        assert {path.parent for path in paths} == {tmp_path / "pictures"}
        sizes = {}
        for path in paths:
            with PIL.Image.open(path) as picture:
                sizes[path.name] = picture.size
        assert _names(tmp_path / "pictures") == sorted([*sizes, "test_images"])
        assert len(_names(tmp_path / "pictures" / "test_images")) == 8
        return sizes

    return draw


def _grid(columns, rows):
    """Size of a grid of 4x4 pixels with gaps of 2, each doubled."""
    return 2 * (6 * columns + 2), 2 * (6 * rows + 2)


def test_pictures_of_a_hierarchy(draw):
    sizes = draw(make_hierarchical(), HierarchicalConfig())
    chart = sizes.pop("kl_by_group.png")
    assert sizes == {
        "reconstructions.png": _grid(16, 2),
        "samples.png": _grid(8, 8),
        # Nothing, one, two, three groups kept: 3 images, 4 draws of each.
        "resampled_from_group.png": _grid(15, 4),
        "samples_by_temperature.png": _grid(8, 6),
        "samples_one_group_colder.png": _grid(8, 3),
    }
    assert chart[0] == 840
    assert chart[1] == pytest.approx(120 * (1.2 + 0.3 * 3), abs=1)


def test_pictures_of_nvae(draw):
    sizes = draw(make_nvae(), NVAEConfig())
    assert sizes["resampled_from_group.png"] == _grid(15, 3)
    assert sizes["samples_one_group_colder.png"] == _grid(8, 2)


def test_nothing_more_is_done_after_an_interruption(
    images, tmp_path, monkeypatch
):
    def interrupted(experiment, workdir, **kwargs):
        return TrainResult("SIGTERM", {}, None)

    monkeypatch.setattr(pipeline, "train", interrupted)
    result = pipeline.run(
        _experiment(images),
        tmp_path / "run",
        evaluation=EvaluationConfig(),
        export_dir=tmp_path / "model",
    )
    assert result.interrupted == "SIGTERM"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"likelihood": "bernoulli"}, "Bernoulli"),
        ({"batch_size": 64}, "batch"),
        ({"architecture": "residual"}, "divisible by 4.*Received"),
        ({"activation": "elux"}, "elux"),
    ],
)
def test_bad_experiment_leaves_nothing(config, message, images, tmp_path):
    with pytest.raises(UserError, match=message):
        pipeline.run(
            _experiment(images, **config),
            tmp_path / "run",
            export_dir=tmp_path / "model",
        )
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_written_is_found_before_training(
    images, tmp_path, monkeypatch
):
    (tmp_path / "file").touch()
    monkeypatch.setattr(pipeline, "train", pytest.fail)
    with pytest.raises(UserError, match="export folder cannot be written"):
        pipeline.run(
            _experiment(images),
            tmp_path / "run",
            export_dir=tmp_path / "file" / "model",
        )


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
