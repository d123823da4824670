"""Tests of versions: they appear whole or not at all."""

import errno
import importlib
import json
import pathlib
import types

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.config import (
    DenseConfig,
    TrainingConfig,
    VAEConfig,
)
from keras_vae.data import DataConfig
from keras_vae.errors import UserError
from keras_vae.models import build_model
from keras_vae.serving import export, versions
from keras_vae.serving.metadata import describe
from keras_vae.training import ExperimentConfig, TrainedModel

# The package's function of the same name hides the module.
exporting = importlib.import_module("keras_vae.serving.export")

_CONFIG = VAEConfig(architecture=DenseConfig((8,)), latent_dim=2, batch_size=10)
_EXPERIMENT = ExperimentConfig(
    DataConfig("mnist_5k"), _CONFIG, TrainingConfig(epochs=3)
)


@pytest.fixture(scope="module")
def trained():
    model = build_model(_CONFIG, (4, 5, 1), likelihood="bernoulli")
    return TrainedModel(model, _EXPERIMENT, _EXPERIMENT.prepare())


def _fake_write(trained, pixels, folder):
    (folder / "saved_model.pb").write_bytes(b"whole")
    image = {"image": {"dtype": "float32", "shape": [None, 4, 5, 1]}}
    return {"serving_default": {"inputs": image, "outputs": {}}}


def _files(folder: pathlib.Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_versions_count_up_and_pass_over_other_names(
    trained, tmp_path, monkeypatch
):
    monkeypatch.setattr(exporting, "_write", _fake_write)
    base = tmp_path / "models" / "vae"
    assert export(trained, base) == base / "1"
    assert export(trained, base) == base / "2"
    for name in ("9", "notes", "-3", "1.5"):
        (base / name).mkdir()
    assert export(trained, base) == base / "10"
    assert [p for p in base.iterdir() if p.name.startswith(".")] == []


def test_version_is_seen_only_when_it_is_whole(trained, tmp_path, monkeypatch):
    seen = []

    def write(trained, pixels, folder):
        seen.append(versions(tmp_path))
        signatures = _fake_write(trained, pixels, folder)
        seen.append(versions(tmp_path))
        return signatures

    monkeypatch.setattr(exporting, "_write", write)
    path = export(trained, tmp_path)
    assert seen == [[], []]
    assert _files(path) == {
        "saved_model.pb",
        "assets.extra",
        "assets.extra/metadata.json",
        "assets.extra/tf_serving_warmup_requests",
    }
    # A server that runs as another user must be able to read it.
    assert path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), UserError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_failed_export_leaves_the_old_version_alone(
    error, raised, trained, tmp_path, monkeypatch
):
    monkeypatch.setattr(exporting, "_write", _fake_write)
    export(trained, tmp_path)
    before = _files(tmp_path)

    def fail(trained, pixels, folder):
        _fake_write(trained, pixels, folder)
        raise error

    monkeypatch.setattr(exporting, "_write", fail)
    with pytest.raises(raised):
        export(
            trained,
            tmp_path,
            keep_versions=1,
        )
    assert _files(tmp_path) == before


def test_failed_first_export_leaves_no_folder(trained, tmp_path, monkeypatch):
    def fail(trained, pixels, folder):
        raise RuntimeError("no graph")

    monkeypatch.setattr(exporting, "_write", fail)
    with pytest.raises(RuntimeError, match="no graph"):
        export(
            trained,
            tmp_path / "new" / "model",
        )
    assert _files(tmp_path) == set()


def test_export_folder_below_a_file_is_refused(trained, tmp_path):
    (tmp_path / "file").touch()
    message = "cannot be written.*Received: --export_dir=.*Not a directory"
    with pytest.raises(UserError, match=message):
        export(
            trained,
            tmp_path / "file" / "model",
        )


def test_metadata_says_what_the_model_is(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "_write", _fake_write)
    path = export(trained, tmp_path)
    metadata = json.loads((path / "assets.extra/metadata.json").read_text())
    assert metadata["image_shape"] == [4, 5, 1]
    assert metadata["image_range"] == [0.0, 1.0]
    assert metadata["latent_dim"] == 2
    assert metadata["groups"] == [[2]]
    assert metadata["latent_layout"] == [{"shape": [2], "offset": 0, "size": 2}]
    assert metadata["num_classes"] == 0
    assert metadata["class_names"] == []
    image = {"image": {"dtype": "float32", "shape": [None, 4, 5, 1]}}
    assert metadata["signatures"]["serving_default"]["inputs"] == image
    assert metadata["binarization"] == "dynamic"
    assert metadata["dequantization"] == "none"
    assert metadata["likelihood"] == "bernoulli"
    assert metadata["pixels"] == "mean"
    assert metadata["run"] is None
    assert metadata["package"].startswith("keras_vae ")
    # The whole experiment can be had back from it.
    again = ExperimentConfig.from_dict(metadata["experiment"])
    assert again == _EXPERIMENT


def test_metadata_says_what_samples_are(trained, tmp_path, monkeypatch):
    written = []

    def write(trained, pixels, folder):
        written.append(pixels)
        return _fake_write(trained, pixels, folder)

    monkeypatch.setattr(exporting, "_write", write)
    path = export(
        trained,
        tmp_path,
        pixels="draw",
    )
    metadata = json.loads((path / "assets.extra/metadata.json").read_text())
    assert [metadata["pixels"]] == written == ["draw"]
    with pytest.raises(UserError, match="Unknown pixels"):
        export(
            trained,
            tmp_path,
            pixels="median",
        )


def test_metadata_has_the_signatures_that_a_server_sees(trained, tmp_path):
    path = export(trained, tmp_path)
    text = (path / "assets.extra/metadata.json").read_text()
    signatures = json.loads(text)["signatures"]
    assert next(iter(signatures)) == "serving_default"
    loaded = tf.saved_model.load(str(path)).signatures
    assert set(signatures) == set(loaded)
    for name, function in loaded.items():
        both = function.structured_input_signature[1]
        for side, specs in (
            ("inputs", both),
            ("outputs", function.structured_outputs),
        ):
            assert signatures[name][side] == {
                key: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()}
                for key, spec in specs.items()
            }
    # The same model says the same: there is no date in it.
    again = export(trained, tmp_path)
    assert (again / "assets.extra/metadata.json").read_text() == text


def test_layout_of_a_hierarchy_fills_the_flat_latent():
    shapes = ((3,), (1, 1, 2), (2, 2, 2))
    model = types.SimpleNamespace(
        image_shape=(4, 5, 1),
        has_latents=True,
        has_prior=True,
        has_likelihood=True,
        latent_dim=13,
        group_shapes=shapes,
        num_classes=2,
        class_names=("cat", "dog"),
    )
    found = describe(TrainedModel(model, _EXPERIMENT, _EXPERIMENT.prepare()))
    flat = np.arange(13)
    parts = [
        flat[group["offset"] :][: group["size"]].reshape(group["shape"])
        for group in found["latent_layout"]
    ]
    assert [part.shape for part in parts] == list(shapes)
    np.testing.assert_array_equal(np.concatenate([*map(np.ravel, parts)]), flat)
    assert found["num_classes"] == 2
    assert found["class_names"] == ["cat", "dog"]


@pytest.mark.parametrize("keep", [0, -1, 1.5, "2"])
def test_number_of_kept_versions_is_checked_first(trained, keep, tmp_path):
    message = f"keep_versions must be a whole .*keep_versions={keep}"
    with pytest.raises(UserError, match=message):
        export(trained, tmp_path / "model", keep_versions=keep)
    assert _files(tmp_path) == set()


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
