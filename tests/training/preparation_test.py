"""Tests of what `auto` stands for, and that a run keeps to it."""

import dataclasses
import json
import pathlib

import pytest

from keras_vae.config import (
    AutoencoderConfig,
    HierarchicalConfig,
    NVAEConfig,
    TrainingConfig,
    VAEConfig,
)
from keras_vae.data import DataConfig
from keras_vae.errors import UserError
from keras_vae.training import (
    Preparation,
    RunFolder,
    load_trained,
    preparation,
    prepare,
    train,
)
from keras_vae.units import DENSITY_NATS, NATS, SQUARED_ERROR
from tests.training import experiments

_LEVELS = "discretized_logistic_mixture"
_GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "runs" / "vae"


def _model(model="vae", **settings):
    kind = {"vae": VAEConfig, "autoencoder": AutoencoderConfig}[model]
    return kind(**settings)


def _prepare(data, model):
    return prepare(DataConfig(**data), model, TrainingConfig())


@pytest.mark.parametrize(
    ("data", "model", "expected"),
    [
        ({}, {}, ("dynamic", "none", "bernoulli")),
        (
            {"dataset": "fashion_mnist"},
            {},
            ("none", "uniform", "normal_shared"),
        ),
        ({"dataset": "cifar10"}, {}, ("none", "uniform", "normal_shared")),
        ({"binarization": "static"}, {}, ("static", "none", "bernoulli")),
        ({"binarization": "none"}, {}, ("none", "uniform", "normal_shared")),
        (
            {},
            {"likelihood": "continuous_bernoulli"},
            ("none", "uniform", "continuous_bernoulli"),
        ),
        (
            {"dequantization": "none"},
            {"likelihood": "normal_fixed"},
            ("none", "none", "normal_fixed"),
        ),
        ({}, {"likelihood": "bernoulli"}, ("dynamic", "none", "bernoulli")),
        ({}, {"model": "autoencoder"}, ("none", "none", "normal_fixed")),
        (
            {"binarization": "dynamic"},
            {"model": "autoencoder"},
            ("dynamic", "none", "normal_fixed"),
        ),
        ({"num_bits": 5}, {}, ("none", "uniform", "normal_shared")),
        (
            {"num_bits": 5},
            {"likelihood": "continuous_bernoulli"},
            ("none", "uniform", "continuous_bernoulli"),
        ),
        ({}, {"likelihood": _LEVELS}, ("none", "none", _LEVELS)),
        (
            {"dataset": "cifar10", "num_bits": 3},
            {"likelihood": _LEVELS},
            ("none", "none", _LEVELS),
        ),
    ],
)
def test_auto_stands_for(data, model, expected):
    decided = _prepare(data, _model(**model))
    assert tuple(decided.protocol().values())[:3] == expected
    binarization, dequantization, likelihood = expected
    unit = NATS
    if (binarization, dequantization) == ("none", "none"):
        unit = NATS if likelihood == _LEVELS else DENSITY_NATS
    if model.get("model") == "autoencoder":
        unit = SQUARED_ERROR
    assert decided.unit == unit


@pytest.mark.parametrize("kind", [HierarchicalConfig, NVAEConfig])
@pytest.mark.parametrize(
    ("data", "model", "expected"),
    [
        ({}, {}, ("dynamic", "none", "bernoulli")),
        ({"num_bits": 5}, {}, ("none", "none", _LEVELS)),
        ({"dataset": "cifar10"}, {}, ("none", "none", _LEVELS)),
        ({"binarization": "none"}, {}, ("none", "none", _LEVELS)),
        (
            {"dataset": "cifar10", "num_bits": 5},
            {"likelihood": "normal_shared"},
            ("none", "uniform", "normal_shared"),
        ),
    ],
)
def test_auto_stands_for_in_a_hierarchy(kind, data, model, expected):
    decided = _prepare(data, kind(**model))
    assert tuple(decided.protocol().values())[:3] == expected


@pytest.mark.parametrize(
    "data", [{"binarization": "dynamic"}, {"dequantization": "uniform"}]
)
def test_levels_exclude_noise(data):
    ((name, value),) = data.items()
    config = HierarchicalConfig(likelihood=_LEVELS)
    with pytest.raises(UserError, match=f"Received: .*--{name}={value}"):
        _prepare(data, config)


def test_settings_of_the_images_are_kept():
    data = DataConfig(
        "cifar10",
        num_bits=5,
        resize=(8, 6),
        pad=1,
        horizontal_flip=True,
        mutation_rate=0.25,
    )
    training = TrainingConfig(seed=3, precision="mixed_bfloat16")
    assert prepare(data, VAEConfig(), training) == Preparation(
        "none",
        "uniform",
        "normal_shared",
        NATS,
        num_bits=5,
        resize=(8, 6),
        pad=1,
        horizontal_flip=True,
        mutation_rate=0.25,
        precision="mixed_bfloat16",
        seed=3,
    )


@pytest.fixture
def other_rule(monkeypatch):
    """Makes `auto` stand for something else, as a later version might."""
    monkeypatch.setattr(preparation, "default_binarization", lambda _: "none")


def test_a_run_means_what_it_meant_whatever_auto_becomes(
    tmp_path, dataset, request
):
    experiment = experiments.make_experiment({"epochs": 1})
    train(experiment, tmp_path, dataset=dataset)
    before = load_trained(tmp_path)
    assert before.preparation.likelihood == "bernoulli"
    request.getfixturevalue("other_rule")
    assert experiment.prepare().likelihood == "normal_shared"
    after = load_trained(tmp_path)
    assert after.preparation == before.preparation
    assert type(after.model.decoder.distribution).__name__ == (
        "IndependentBernoulli"
    )
    assert train(experiment, tmp_path, dataset=dataset).summary[
        "likelihood"
    ] == ("bernoulli")
    # The checkpoint knows where `config.json` is lost.
    RunFolder(tmp_path).config.unlink()
    train(experiment, tmp_path, dataset=dataset)
    assert RunFolder(tmp_path).load_preparation() == before.preparation


def test_a_run_remembers_what_made_it(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    experiment = experiments.make_experiment()
    monkeypatch.setattr("sys.argv", ["apps/train.py", "--dataset=mnist_5k"])
    folder.start(experiment, (6, 6, 1))
    content = json.loads(folder.config.read_text())
    assert content["schema"] == 2
    assert content["command"] == ["apps/train.py", "--dataset=mnist_5k"]
    assert set(content["versions"]) >= {"keras_vae", "tensorflow", "keras"}
    assert content["machine"]["cpus"] >= 1
    monkeypatch.setattr("sys.argv", ["again"])
    folder.start(experiment, (6, 6, 1))
    assert json.loads(folder.config.read_text()) == content


def _changed(folder, **entries):
    content = json.loads(folder.config.read_text())
    content |= entries
    content = {k: v for k, v in content.items() if v is not None}
    folder.config.write_text(json.dumps(content))


@pytest.mark.parametrize("schema", [3, 0, "2", True, 2.5])
def test_another_schema_is_refused_in_a_line(tmp_path, schema):
    folder = RunFolder(tmp_path)
    folder.start(experiments.make_experiment(), (6, 6, 1))
    _changed(folder, schema=schema)
    message = r"of schema .*reads 1 \.\.\. 2.*Received: .*config.json$"
    with pytest.raises(UserError, match=message):
        load_trained(tmp_path)


def test_a_run_of_an_older_schema_is_decided_and_said(tmp_path, capsys):
    folder = RunFolder(tmp_path)
    folder.config.write_bytes((_GOLDEN / "config.json").read_bytes())
    assert folder.load_preparation().protocol() == {
        "binarization": "none",
        "dequantization": "uniform",
        "likelihood": "normal_shared",
        "unit": NATS,
    }
    assert "does not say what auto stood for: it is taken to be " in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"likelihood": "gaussian"}, "Unknown likelihood"),
        ({"num_bits": "8"}, "num_bits must be a whole number"),
        ({"colour": 1}, "preparation.'colour' is unknown"),
        ({"unit": None}, "preparation.unit is missing"),
        ({"precision": None}, "preparation.precision is missing"),
        ({"seed": None}, "preparation.seed is missing"),
        ({"resize": 1.5}, "preparation.resize must be a list of 2"),
        ({"resize": "x"}, "preparation.resize must be a list of 2"),
        ({"resize": {}}, "preparation.resize must be a list of 2"),
        ({"resize": [0, 4]}, "preparation.resize must be a whole number"),
        ({"resize": ["a", 4]}, "preparation.resize must be a whole number"),
        ({"horizontal_flip": "no"}, "horizontal_flip must be true or false"),
        ({"horizontal_flip": 1}, "horizontal_flip must be true or false"),
        ({"mutation_rate": True}, "mutation_rate must be a finite number"),
    ],
)
def test_a_damaged_preparation_is_refused(tmp_path, entry, message):
    folder = RunFolder(tmp_path)
    experiment = experiments.make_experiment()
    folder.start(experiment, (6, 6, 1))
    values = dataclasses.asdict(experiment.prepare()) | entry
    missing = [name for name, value in entry.items() if value is None]
    for name in missing:
        del values[name]
    _changed(folder, preparation=values)
    with pytest.raises(UserError, match=message):
        folder.load_preparation()


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
