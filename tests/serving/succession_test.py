"""Tests of which export may follow which in one served model."""

import dataclasses
import importlib
import json
import pathlib
import threading

import pytest

from keras_vae.config import (
    AutoencoderConfig,
    DenseConfig,
    TrainingConfig,
    VAEConfig,
)
from keras_vae.data import DataConfig
from keras_vae.errors import UserError
from keras_vae.models import build_model
from keras_vae.serving import export, versions
from keras_vae.serving.metadata import METADATA
from keras_vae.serving.succession import (
    check_default_export_dir,
    check_succession,
    default_export_dir,
    run_path,
)
from keras_vae.serving.version_folders import add_version
from keras_vae.training import ExperimentConfig, TrainedModel

_CONFIG = VAEConfig(architecture=DenseConfig((8,)), latent_dim=2, batch_size=10)
_AUTOENCODER = AutoencoderConfig(
    architecture=DenseConfig((8,)), latent_dim=2, batch_size=10
)
_EXPERIMENT = ExperimentConfig(
    DataConfig("mnist_5k"), _CONFIG, TrainingConfig(epochs=3)
)


@pytest.fixture(scope="module", autouse=True)
def _fast():
    """Exports without graphs, whose making takes seconds."""

    def write(trained, pixels, folder):
        (folder / "saved_model.pb").touch()
        spec = {"dtype": "float32", "shape": [None, *trained.model.image_shape]}
        inputs, outputs = {"image": spec}, {"reconstruction": spec}
        return {"reconstruct": {"inputs": inputs, "outputs": outputs}}

    with pytest.MonkeyPatch.context() as patch:
        module = importlib.import_module("keras_vae.serving.export")
        patch.setattr(module, "_write", write)
        yield


def _export(
    base, shape=(4, 5, 1), names=(), replace=False, kind=_CONFIG, **config
):
    experiment = dataclasses.replace(
        _EXPERIMENT, model=dataclasses.replace(kind, **config)
    )
    model = build_model(
        experiment.model,
        shape,
        likelihood=config.get("likelihood", "bernoulli"),
        class_names=names,
    )
    return export(
        TrainedModel(model, experiment, experiment.prepare()),
        base,
        replace=replace,
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    base = tmp_path_factory.mktemp("served") / "model"
    _export(base)
    return base


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"shape": (4, 6, 1)}, "image_shape: [4, 5, 1] -> [4, 6, 1]"),
        ({"shape": (4, 5, 3)}, "image_shape: [4, 5, 1] -> [4, 5, 3]"),
        ({"latent_dim": 3}, "latent_dim: 2 -> 3"),
        ({"names": ("a", "b", "c")}, "num_classes: 0 -> 3"),
        (
            {"likelihood": "normal_shared"},
            "likelihood: bernoulli -> normal_shared",
        ),
        (
            {"kind": _AUTOENCODER, "likelihood": "normal_fixed"},
            "binarization: dynamic -> none",
        ),
    ],
    ids=["size", "channels", "latents", "classes", "likelihood", "model"],
)
def test_version_that_answers_otherwise_is_refused(options, said, served):
    with pytest.raises(UserError) as caught:
        _export(served, **options)
    assert said in str(caught.value)
    assert "--replace" in str(caught.value)
    assert str(served / "1") in str(caught.value)
    assert [path.name for path in served.iterdir()] == ["1"]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"image": {"dtype": "float64", "shape": [None, 4, 5, 1]}}, "float64"),
        ({"image": {"dtype": "float32", "shape": [None, 20]}}, "shape"),
        ({"pixels": {"dtype": "float32", "shape": [None, 4, 5, 1]}}, "pixels"),
    ],
    ids=["dtype", "shape", "name"],
)
@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_other_signatures_are_refused(side, edit, said, tmp_path):
    path = _export(tmp_path) / METADATA
    metadata = json.loads(path.read_text())
    metadata["signatures"]["reconstruct"][side] = edit
    path.write_text(json.dumps(metadata))
    message = rf"signatures\.reconstruct\.{side}\..*{said}"
    with pytest.raises(UserError, match=message):
        _export(tmp_path)
    assert versions(tmp_path) == [1]
    # A signature less is no less a difference.
    del metadata["signatures"]["reconstruct"]
    path.write_text(json.dumps(metadata))
    with pytest.raises(UserError, match=r"signatures\.reconstruct: None -> "):
        _export(tmp_path)


def test_classes_of_other_names_or_in_another_order_are_refused(tmp_path):
    _export(tmp_path, names=("cat", "dog"))
    for names in (("dog", "cat"), ("cat", "cow")):
        with pytest.raises(UserError, match="class_names: .*cat.* -> "):
            _export(tmp_path, names=names)
    assert versions(tmp_path) == [1]


def test_another_model_that_answers_alike_may_follow(served, tmp_path):
    # Other layers and other training: the same questions and answers.
    first = _export(tmp_path)
    second = _export(
        tmp_path, architecture=DenseConfig((16, 8)), learning_rate=1e-4
    )
    found = [json.loads((p / METADATA).read_text()) for p in (first, second)]
    assert found[0]["signatures"] == found[1]["signatures"]
    assert versions(tmp_path) == [1, 2]


def test_replace_exports_it_knowingly(tmp_path):
    _export(tmp_path)
    assert _export(tmp_path, latent_dim=3, replace=True) == tmp_path / "2"
    # Now that one is what clients know.
    assert _export(tmp_path, latent_dim=3) == tmp_path / "3"
    with pytest.raises(UserError, match="latent_dim: 3 -> 2"):
        _export(tmp_path)


def _metadata(base) -> pathlib.Path:
    return base / "1" / METADATA


@pytest.mark.parametrize(
    "text",
    [None, "", "[]", "{}", "\xff", "[" * 100_000, '{"image_shape": [4, 5, 1]}'],
    ids=["none", "empty", "list", "dict", "bytes", "deep", "part"],
)
def test_version_that_does_not_say_what_it_answers(text, tmp_path):
    _metadata(tmp_path).parent.mkdir(parents=True)
    (tmp_path / "1" / "saved_model.pb").touch()
    if text is not None:
        _metadata(tmp_path).write_text(text, "latin-1")
    with pytest.raises(UserError, match=r"does not say.*--replace.*/1 \("):
        _export(tmp_path)
    assert _export(tmp_path, replace=True) == tmp_path / "2"


def test_newest_version_counts_and_what_is_none_does_not(served, tmp_path):
    _export(tmp_path)
    _export(tmp_path, latent_dim=3, replace=True)
    (tmp_path / "2").rename(tmp_path / "10")
    (tmp_path / "11").mkdir()
    (tmp_path / "12").touch()
    with pytest.raises(UserError, match="latent_dim: 3 -> 2"):
        _export(tmp_path)
    assert _export(tmp_path, latent_dim=3) == tmp_path / "13"


def test_many_differences_stay_one_message():
    names = {f"class_{index}": index for index in range(1000)}

    def metadata(value):
        return {"class_names": dict.fromkeys(names, value * 500)}

    base = pathlib.Path("model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_vae.serving.succession._PROMISES", ["class_names"])
        patch.setattr(
            "keras_vae.serving.succession.newest_version", lambda base: base
        )
        text = json.dumps(metadata("a"))
        patch.setattr(pathlib.Path, "read_text", lambda *_: text)
        with pytest.raises(UserError, match="and 996 more") as caught:
            check_succession(base, metadata("b"))
    assert len(str(caught.value)) < 700


def test_exporters_side_by_side_check_one_after_the_other(tmp_path):
    # Both have written their version before either of them appears.
    written, seen = threading.Barrier(2, timeout=30), []

    def add():
        def write(folder):
            (folder / "saved_model.pb").touch()
            written.wait()

        add_version(tmp_path, write, check=lambda: seen.append(versions(base)))

    base = tmp_path
    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [[], [1]]
    assert versions(tmp_path) == [1, 2]


def test_default_folder_is_named_after_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for workdir in ("runs/faces", "runs/faces/", tmp_path / "runs/x/../faces"):
        assert default_export_dir(workdir) == "saved_models/faces"
    (tmp_path / "runs" / "here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "runs" / "here")
    assert default_export_dir(".") == "saved_models/here"


def _default_export(tmp_path, workdir):
    base = tmp_path / default_export_dir(workdir)
    path = base / "1" / METADATA
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"run": run_path(workdir, base)}))
    (base / "1" / "saved_model.pb").touch()


def test_default_folder_is_not_shared_by_runs_of_one_name(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    check_default_export_dir("a/faces")
    _default_export(tmp_path, "a/faces")
    check_default_export_dir("a/faces")
    check_default_export_dir(tmp_path / "a" / "faces")
    message = r"another run folder of this name.*--export_dir.*a/faces.*b/faces"
    with pytest.raises(UserError, match=message):
        check_default_export_dir("b/faces")
    # All may be moved together.
    (tmp_path / "new").mkdir()
    (tmp_path / "saved_models").rename(tmp_path / "new" / "saved_models")
    monkeypatch.chdir(tmp_path / "new")
    check_default_export_dir("a/faces")
    # Earlier versions of the package do not name the run.
    path = pathlib.Path("saved_models/faces/1") / METADATA
    path.write_text("{}")
    check_default_export_dir("b/faces")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_shape", [4, 5, 2]),
        ("image_range", [-1.0, 1.0]),
        ("num_bits", 5),
        ("latent_dim", 3),
        ("latent_layout", [{"shape": [2], "offset": 1, "size": 2}]),
        ("num_classes", 1),
        ("class_names", ["a"]),
        ("likelihood", "normal_shared"),
        ("binarization", "static"),
        ("dequantization", "uniform"),
    ],
)
def test_each_thing_that_clients_rely_on_must_stay(name, value, tmp_path):
    path = _export(tmp_path) / METADATA
    metadata = json.loads(path.read_text())
    check_succession(tmp_path, metadata)
    path.write_text(json.dumps(metadata | {name: value}))
    with pytest.raises(UserError, match=rf"Received: {name}.* -> "):
        check_succession(tmp_path, metadata)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
