"""Tests of `model.keras`: what a run leaves, as Keras itself loads it."""

import json
import zipfile

import keras
import numpy as np
import pytest

from keras_vae.errors import UserError
from keras_vae.training import load_trained, train
from keras_vae.training.model_file import read_model
from keras_vae.training.named_variables import named_variables
from tests.training import experiments


@pytest.fixture(scope="module", params=["vae", "nvae"])
def run(request, tmp_path_factory, dataset):
    """A finished run: averages; and statistics that go with them."""
    make = {
        "vae": experiments.make_experiment,
        "nvae": experiments.make_nvae_experiment,
    }[request.param]
    path = tmp_path_factory.mktemp("model_file") / "run"
    with experiments.without_pictures():
        return train(make({"epochs": 1}), path, dataset=dataset).trained


def _assert_same(model, other):
    found, expected = named_variables(model), named_variables(other)
    assert list(found) == list(expected)
    for name, variable in found.items():
        np.testing.assert_array_equal(variable, expected[name], err_msg=name)


def test_keras_loads_it(run):
    loaded = keras.models.load_model(run.folder.model)
    assert not loaded.compiled
    assert {v.dtype for v in loaded.trainable_variables} == {"float32"}
    _assert_same(loaded, run.model)


def test_it_is_what_the_checkpoint_says(run):
    loaded = load_trained(run.folder.path)
    assert (loaded.step, loaded.last_step, loaded.weights) == (17, 17, "last")
    run.folder.model.rename(run.folder.path / "away.keras")
    try:
        _assert_same(load_trained(run.folder.path).model, loaded.model)
    finally:
        (run.folder.path / "away.keras").rename(run.folder.model)


def test_the_file_alone_says_what_it_is(run, tmp_path):
    path = tmp_path / "copied.keras"
    path.write_bytes(run.folder.model.read_bytes())
    found = load_trained(path)
    assert found.experiment == run.experiment
    assert found.preparation == run.preparation
    assert (found.folder, found.place) == (None, "")
    _assert_same(found.model, run.model)


def test_inference_makes_no_optimizer(run, monkeypatch):
    def fail(*arguments, **options):
        raise AssertionError("an optimizer was made")

    monkeypatch.setattr(keras.optimizers.Optimizer, "__init__", fail)
    loaded = load_trained(run.folder.path)
    _assert_same(loaded.model, run.model)
    for weights in ("last", "best"):
        load_trained(run.folder.path, weights)


def test_a_model_of_a_newer_version_is_refused(run, tmp_path):
    path = tmp_path / "model.keras"
    record = json.dumps({"schema": 3})
    with (
        zipfile.ZipFile(run.folder.model) as old,
        zipfile.ZipFile(path, "w") as new,
    ):
        for name in old.namelist():
            is_record = name == "keras_vae.json"
            new.writestr(name, record if is_record else old.read(name))
    with pytest.raises(UserError, match=r"schema 3.*Received: .*model\.keras"):
        read_model(path)


def test_a_model_that_names_no_run_is_refused(run, tmp_path):
    run.model.save(tmp_path / "own.keras")
    with pytest.raises(UserError, match=r"cannot be read.*own\.keras"):
        load_trained(tmp_path / "own.keras")


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
