"""Tests that no damage to a run's files is more than an error for people."""

import json
import shutil

import pytest

from keras_vae.errors import UserError
from keras_vae.training import RunFolder, load_trained
from tests.json_mutations import mutations


@pytest.fixture(scope="module")
def run(finished_run, tmp_path_factory):
    """A copy of a finished run, whose files may be damaged."""
    path = tmp_path_factory.mktemp("run_files") / "run"
    shutil.copytree(finished_run.path, path)
    return RunFolder(path)


def _outcome(call):
    """Returns the message of a UserError, or None if there was no error."""
    try:
        call()
    except UserError as error:
        assert "Received: " in str(error)
        assert str(error).count("\n") <= 1 and len(str(error)) < 1500
        return str(error)
    return None


def _everything(run, experiment):
    run.load_experiment()
    run.load_image_shape()
    run.load_class_names()
    run.check(experiment)


def test_configuration_of_any_kind(run, finished_run):
    whole = run.config.read_bytes()
    refused = 0
    for name, content in mutations(json.loads(whole)):
        run.config.write_bytes(content)
        try:
            # What is read must be the run's own configuration.
            found = _outcome(lambda: _everything(run, finished_run.experiment))
        except Exception as error:
            raise AssertionError(f"{name}: {error!r}") from error
        refused += found is not None
    run.config.write_bytes(whole)
    assert refused > 1500
    assert _outcome(lambda: _everything(run, finished_run.experiment)) is None


def test_model_of_a_changed_configuration_is_never_loaded(run):
    whole = run.config.read_bytes()
    content = json.loads(whole)
    dense = content["model"]["architecture"]
    for part, name, value in (
        ("model", "latent_dim", 10**9),
        ("model", "architecture", {**dense, "hidden_units": [2**30, 2**30]}),
        ("model", "architecture", {**dense, "activation": "no such"}),
        ("data", "pad", 9_999),
        ("data", "num_bits", 3),
        ("training", "seed", 1),
    ):
        changed = {**content, part: {**content[part], name: value}}
        run.config.write_text(json.dumps(changed))
        assert "another experiment" in _outcome(lambda: load_trained(run.path))
    for name, value in (
        ("image_shape", [60_000, 30_000, 1]),
        ("image_shape", [6, 6, 3]),
        ("class_names", ["a", "b"]),
    ):
        run.config.write_text(json.dumps({**content, name: value}))
        assert "another experiment" in _outcome(lambda: load_trained(run.path))
    run.config.write_bytes(whole)
    load_trained(run.path)


def test_results_of_any_kind(run):
    whole = run.results.path.read_bytes()
    for name, content in mutations(json.loads(whole)):
        run.results.path.write_bytes(content)
        try:
            found = _outcome(lambda: run.results.update({"new": 1}))
        except Exception as error:
            raise AssertionError(f"{name}: {error!r}") from error
        if found is None:
            assert json.loads(run.results.path.read_bytes())["new"] == 1
        else:
            assert run.results.path.read_bytes() == content
    run.results.path.write_bytes(whole)


@pytest.mark.parametrize("file", ["config", "results"])
def test_folder_in_a_files_place(run, file, finished_run):
    path = {"config": run.config, "results": run.results.path}[file]
    content = path.read_bytes()
    path.unlink()
    path.mkdir()
    calls = {
        "config": lambda: _everything(run, finished_run.experiment),
        "results": lambda: run.results.update({"new": 1}),
    }
    assert "Is a directory" in _outcome(calls[file])
    path.rmdir()
    path.write_bytes(content)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
