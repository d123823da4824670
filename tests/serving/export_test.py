"""Tests of versions: they appear whole or not at all."""

import importlib
import json
import pathlib

import pytest

from keras_vae.config import TrainingConfig
from keras_vae.data import DataConfig
from keras_vae.errors import UserError
from keras_vae.model_configs import VAEConfig
from keras_vae.models import build_model
from keras_vae.serving import export, export_model, versions
from keras_vae.training import ExperimentConfig

# The package's function of the same name hides the module.
exporting = importlib.import_module("keras_vae.serving.export")

_CONFIG = VAEConfig(
    architecture="dense", hidden_units=(8,), latent_dim=2, batch_size=10
)
_EXPERIMENT = ExperimentConfig(
    DataConfig("mnist_5k"), _CONFIG, TrainingConfig(epochs=3)
)


@pytest.fixture(scope="module")
def model():
    return build_model(_CONFIG, (4, 5, 1), likelihood="bernoulli")


def _fake_write(model, resolved, num_bits, folder):
    (folder / "saved_model.pb").write_bytes(b"whole")
    return ["serving_default", "reconstruct"]


def _files(folder: pathlib.Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_versions_count_up_and_pass_over_other_names(
    model, tmp_path, monkeypatch
):
    monkeypatch.setattr(exporting, "_write", _fake_write)
    base = tmp_path / "models" / "vae"
    assert export_model(model, _EXPERIMENT, base) == base / "1"
    assert export_model(model, _EXPERIMENT, base) == base / "2"
    for name in ("9", "notes", "-3", "1.5"):
        (base / name).mkdir()
    (base / "12").touch()  # A file is no version.
    assert versions(base) == [1, 2, 9]
    assert export_model(model, _EXPERIMENT, base) == base / "10"
    assert [p for p in base.iterdir() if p.name.startswith(".")] == []


def test_version_is_seen_only_when_it_is_whole(model, tmp_path, monkeypatch):
    seen = []

    def write(model, resolved, num_bits, folder):
        seen.append(versions(tmp_path))
        signatures = _fake_write(model, resolved, num_bits, folder)
        seen.append(versions(tmp_path))
        return signatures

    monkeypatch.setattr(exporting, "_write", write)
    path = export_model(model, _EXPERIMENT, tmp_path)
    assert seen == [[], []]
    assert _files(path) == {
        "saved_model.pb",
        "assets.extra",
        "assets.extra/metadata.json",
    }
    # A server that runs as another user must be able to read it.
    assert path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()])
def test_failed_export_leaves_the_old_version_alone(
    error, model, tmp_path, monkeypatch
):
    monkeypatch.setattr(exporting, "_write", _fake_write)
    export_model(model, _EXPERIMENT, tmp_path)
    before = _files(tmp_path)

    def fail(model, resolved, num_bits, folder):
        _fake_write(model, resolved, num_bits, folder)
        raise error

    monkeypatch.setattr(exporting, "_write", fail)
    with pytest.raises(type(error)):
        export_model(model, _EXPERIMENT, tmp_path)
    assert _files(tmp_path) == before


def test_failed_first_export_leaves_no_folder(model, tmp_path, monkeypatch):
    def fail(model, resolved, num_bits, folder):
        raise RuntimeError("no graph")

    monkeypatch.setattr(exporting, "_write", fail)
    with pytest.raises(RuntimeError, match="no graph"):
        export_model(model, _EXPERIMENT, tmp_path / "new" / "model")
    assert _files(tmp_path) == set()


def test_export_folder_below_a_file_is_refused(model, tmp_path):
    (tmp_path / "file").touch()
    message = "cannot be written.*Received: --export_dir=.*Not a directory"
    with pytest.raises(UserError, match=message):
        export_model(model, _EXPERIMENT, tmp_path / "file" / "model")
    with pytest.raises(UserError, match=message):
        exporting.check_writable(tmp_path / "file" / "model")


def test_check_of_the_folder_leaves_no_trace(tmp_path):
    (tmp_path / "kept").mkdir()
    exporting.check_writable(tmp_path / "kept")
    exporting.check_writable(tmp_path / "new" / "model")
    assert _files(tmp_path) == {"kept"}


def test_metadata_says_what_the_model_is(model, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "_write", _fake_write)
    path = export_model(model, _EXPERIMENT, tmp_path)
    metadata = json.loads((path / "assets.extra/metadata.json").read_text())
    assert metadata["image_shape"] == [4, 5, 1]
    assert metadata["image_range"] == [0.0, 1.0]
    assert metadata["latent_dim"] == 2
    assert metadata["groups"] == [[2]]
    assert metadata["signatures"] == ["serving_default", "reconstruct"]
    assert metadata["binarization"] == "dynamic"
    assert metadata["dequantization"] == "none"
    assert metadata["likelihood"] == "bernoulli"
    assert metadata["package"].startswith("keras_vae ")
    # The whole experiment can be had back from it.
    again = ExperimentConfig.from_dict(metadata["experiment"])
    assert again == _EXPERIMENT


def test_export_of_a_folder_without_a_run_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match="No run found"):
        export(tmp_path / "run", tmp_path / "model")
    assert _files(tmp_path) == set()


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
