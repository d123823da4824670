"""Tests of the way from images to an export, in one process."""

import json
import shutil

import numpy as np
import PIL.Image
import pytest

from keras_vae.config import (
    AutoencoderConfig,
    DenseConfig,
    HierarchicalConfig,
    NVAEConfig,
    TrainingConfig,
    VAEConfig,
)
from keras_vae.data import ArraySplit, DataConfig, ImageDataset
from keras_vae.errors import UserError
from keras_vae.evaluation import EvaluationConfig
from keras_vae.serving.metadata import METADATA
from keras_vae.training import (
    ExperimentConfig,
    RunFolder,
    TrainedModel,
    TrainResult,
)
from keras_vae.use import end_to_end
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


def _experiment(images, kind=VAEConfig, **config):
    values = {
        "architecture": DenseConfig((8,)),
        "latent_dim": 2,
        "batch_size": 8,
        **config,
    }
    return ExperimentConfig(
        DataConfig("image_folder", data_dir=str(images)),
        kind(**values),
        TrainingConfig(epochs=1),
    )


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def vae_run(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae")
    result = end_to_end.run(
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
    assert results["test"][-1]["nll"]["num_importance_samples"] == 2
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
    end_to_end.run(_experiment(images, AutoencoderConfig), tmp_path / "run")
    assert _names(tmp_path) == ["run"]
    assert _names(tmp_path / "run" / "pictures") == [
        "reconstructions.png",
        "test_images",
    ]
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert set(results) == {"training"}


def test_run_that_may_not_be_exported_is_not_trained(
    vae_run, images, tmp_path, monkeypatch
):
    folder, _ = vae_run
    # Of another run, and with an input more.
    experiment = _experiment(images, latent_dim=3)
    monkeypatch.setattr(end_to_end, "export", pytest.fail)
    with pytest.raises(UserError, match="latent_dim: 2 -> 3.*model/1"):
        end_to_end.run(
            experiment, tmp_path / "run", export_dir=folder / "model"
        )
    assert list(tmp_path.iterdir()) == []
    assert _names(folder / "model") == ["1"]


def test_export_refused_at_the_end_loses_nothing(
    vae_run, images, tmp_path, monkeypatch
):
    folder, _ = vae_run
    shutil.copytree(folder / "model", tmp_path / "model")
    experiment = _experiment(images, latent_dim=3)
    places = (experiment, tmp_path / "run")
    export_dir = tmp_path / "model"
    with monkeypatch.context() as patch:
        # As where another run exports meanwhile.
        patch.setattr(end_to_end, "check_succession", lambda *_: None)
        with pytest.raises(UserError, match="--replace.*latent_dim: 2 -> 3"):
            end_to_end.run(*places, export_dir=export_dir)
    assert _names(export_dir) == ["1"]
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["training"]["steps"] > 0
    # The same command goes on with the run, and exports it knowingly.
    end_to_end.run(
        *places, export_dir=export_dir, replace=True, keep_versions=1
    )
    assert _names(export_dir) == ["2"]
    metadata = json.loads((export_dir / "2" / METADATA).read_text())
    assert metadata["run"] == "../run"
    again = json.loads((tmp_path / "run" / "results.json").read_text())
    assert again["training"]["steps"] == results["training"]["steps"]


@pytest.fixture
def draw(tmp_path):
    """Returns a function that draws what a model does as if it were a run's.

    It returns name -> (width, height) of the pictures.
    """

    def draw(model, config, num_bits=8, **options):
        experiment = ExperimentConfig(
            DataConfig("mnist_5k", num_bits=num_bits), config, TrainingConfig()
        )
        trained = TrainedModel(
            model, experiment, experiment.prepare(), RunFolder(tmp_path)
        )
        levels = np.random.default_rng(0).integers(256, size=(12, *IMAGE))
        split = ArraySplit(levels.astype(np.uint8))
        dataset = ImageDataset("grey", IMAGE, None, {"test": split})
        paths = end_to_end.draw_pictures(trained, dataset, **options)
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


def test_pictures_show_what_they_are_asked_to_and_of_the_levels_kept(
    draw, tmp_path
):
    model = make_hierarchical("discretized_logistic_mixture")
    names = ["samples", "samples_by_temperature", "resampled_from_group"]
    pictures = {}
    for pixels in ("mean", "draw"):
        draw(model, HierarchicalConfig(), num_bits=1, pixels=pixels)
        pictures[pixels] = [
            (tmp_path / "pictures" / f"{name}.png").read_bytes()
            for name in names
        ]
    pairs = zip(pictures["mean"], pictures["draw"], strict=True)
    assert [a == b for a, b in pairs] == [False, False, True]
    for path in (tmp_path / "pictures" / "test_images").iterdir():
        with PIL.Image.open(path) as picture:
            assert set(np.unique(picture)) == {0, 255}


def test_run_hands_on_what_samples_show(images, tmp_path, monkeypatch):
    seen = []

    def record(*arguments, **options):
        seen.append((*arguments, *options.values())[-1])
        return []

    result = TrainResult(None, {}, None, None)
    monkeypatch.setattr(end_to_end, "train", lambda *_, **__: result)
    monkeypatch.setattr(end_to_end, "draw_pictures", record)
    monkeypatch.setattr(end_to_end, "export", record)
    folders = {"workdir": tmp_path / "run", "export_dir": tmp_path / "model"}
    end_to_end.run(_experiment(images), **folders, pixels="draw")
    assert seen == ["draw", "draw"]
    monkeypatch.setattr(end_to_end, "train", pytest.fail)
    with pytest.raises(UserError, match="Unknown pixels"):
        end_to_end.run(_experiment(images), **folders, pixels="median")


def test_nothing_more_is_done_after_an_interruption(
    images, tmp_path, monkeypatch
):
    def interrupted(experiment, workdir, **options):
        return TrainResult("SIGTERM", {}, None, None)

    monkeypatch.setattr(end_to_end, "train", interrupted)
    result = end_to_end.run(
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
        ({"likelihood": "bernoulli"}, "bernoulli is of binary images"),
        ({"batch_size": 64}, "batch"),
        ({"architecture": "residual"}, "divisible by 4.*Received"),
        ({"architecture": DenseConfig((8,), activation="elux")}, "elux"),
    ],
)
def test_bad_experiment_leaves_nothing(config, message, images, tmp_path):
    with pytest.raises(UserError, match=message):
        end_to_end.run(
            _experiment(images, **config),
            tmp_path / "run",
            export_dir=tmp_path / "model",
        )
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_written_is_found_before_training(
    images, tmp_path, monkeypatch
):
    (tmp_path / "file").touch()
    monkeypatch.setattr(end_to_end, "train", pytest.fail)
    with pytest.raises(UserError, match="export folder cannot be written"):
        end_to_end.run(
            _experiment(images),
            tmp_path / "run",
            export_dir=tmp_path / "file" / "model",
        )


def test_run_hands_on_what_it_is_asked(images, tmp_path, monkeypatch):
    asked = {}

    def record(name, result=None):
        def replacement(*arguments, **options):
            asked[name] = options
            return result

        monkeypatch.setattr(end_to_end, name, replacement)

    dataset = object()
    record("train", TrainResult(None, {}, dataset, object()))
    record("draw_pictures", [])
    record("evaluate", {})
    record("export")
    end_to_end.run(
        _experiment(images),
        tmp_path / "run",
        resume=False,
        init_from="runs/other",
        accept_changed_data=True,
        evaluation=EvaluationConfig(),
        export_dir=tmp_path / "model",
        keep_versions=3,
        replace=True,
        pixels="draw",
    )
    assert callable(asked["train"].pop("check_model"))
    assert callable(asked["evaluate"].pop("show"))
    assert asked == {
        "train": {
            "resume": False,
            "init_from": "runs/other",
            "accept_changed_data": True,
        },
        "draw_pictures": {},
        "evaluate": {"dataset": dataset},
        "export": {"keep_versions": 3, "replace": True, "pixels": "draw"},
    }


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
