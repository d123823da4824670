"""Tests of the parts that CONTRIBUTING shows, through the ordinary commands."""

import importlib
import json
import re

import numpy as np
import PIL.Image
import pytest

from keras_vae.config import registry
from keras_vae.training import load_trained
from tests.apps import app

pytestmark = pytest.mark.slow

_DOCUMENT = (app.ROOT / "CONTRIBUTING.md").read_text()
_MODULES = ["my_likelihood", "my_objective", "my_prior"]
_TESTS = [f"{module}_test" for module in _MODULES]
# A file's name, and the next block, which is the file.
_FILE = r"`(\w+\.py)`(?:(?!```).)*?^```python\n(.*?)^```$"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files of the worked example, and with images."""
    folder = tmp_path_factory.mktemp("own")
    files = dict(re.findall(_FILE, _DOCUMENT, re.M | re.S))
    assert sorted(files) == sorted(f"{m}.py" for m in _MODULES + _TESTS)
    assert _DOCUMENT.count("```python") == len(files)
    for name, block in files.items():
        (folder / name).write_text(block)
    (folder / "images").mkdir()
    random = np.random.default_rng(0)
    for index in range(30):
        levels = random.integers(90, 160, [8, 8]).astype(np.uint8)
        PIL.Image.fromarray(levels).save(folder / "images" / f"{index:02d}.png")
    return folder


@pytest.fixture(scope="module")
def succeeds(warm_process, folder):
    """Runs an app in that folder to its end, which is a good one."""

    def run(name, *arguments):
        result = warm_process.run(name, *arguments, cwd=folder)
        assert result.returncode == 0, result.stdout + result.stderr
        return result

    return run


@pytest.fixture(scope="module")
def trained(succeeds, folder):
    """The run folder of a model with the parts, from images to an export."""
    succeeds(
        "train",
        *(f"--import={module}" for module in _MODULES),
        "--dataset=image_folder",
        "--data_dir=images",
        "--workdir=run",
        "--export_dir=model",
        "--epochs=2",
        "--num_importance_samples=3",
        "--config.architecture=dense",
        "--config.architecture.hidden_units=8",
        "--config.latent_dim=2",
        "--config.batch_size=8",
        "--config.likelihood=laplace",
        "--config.likelihood.scale=0.2",
        "--config.prior=sparse",
        "--config.prior.scale=0.5",
        "--config.objective=capacity",
        "--config.objective.capacity=3",
    )
    return folder / "run"


@pytest.fixture(scope="module")
def modules(folder):
    """Imports modules of the example by their names."""
    copies = {kind: dict(found) for kind, found in registry._PARTS.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_PARTS", copies)
        patch.syspath_prepend(folder)
        yield importlib.import_module


def test_a_run_remembers_its_parts_and_where_they_come_from(trained):
    config = json.loads((trained / "config.json").read_text())
    assert config["imports"] == _MODULES
    model = config["model"]
    assert model["likelihood"] == {"name": "laplace", "scale": 0.2}
    assert model["prior"] == {"name": "sparse", "scale": 0.5}
    assert model["objective"] == {
        "name": "capacity",
        "capacity": 3.0,
        "weight": 10.0,
    }


@pytest.mark.parametrize("name", _TESTS)
def test_the_example_passes_its_own_tests(name, modules):
    module = modules(name)
    (test,) = (x for x in vars(module) if x.startswith("test_"))
    getattr(module, test)()


def test_results_are_those_of_levels(trained):
    """A density is dequantized, and its bound is one on the levels."""
    figures = json.loads((trained / "results.json").read_text())["test"][-1]
    assert figures["nll"]["dequantization"] == "uniform"
    # Levels of 70 values, evenly, have log2(70) = 6.1 bits.
    assert 6.1 < figures["nll"]["bits_per_dimension"] < 9


def test_a_run_goes_on_is_evaluated_and_drawn_without_the_flag(
    trained, succeeds
):
    before = json.loads((trained / "results.json").read_text())["test"]
    succeeds("evaluate", "--workdir=run", "--num_importance_samples=3")
    after = json.loads((trained / "results.json").read_text())["test"]
    assert after[-1]["elbo"] == before[-1]["elbo"]
    drawn = ("--output=s.png", "--num_images=4")
    succeeds("generate", "sample", "--workdir=run", *drawn)
    succeeds("export", "--workdir=run", "--export_dir=again")


def test_the_export_needs_no_module(trained, succeeds, folder, tmp_path):
    for module in _MODULES:
        (folder / f"{module}.py").rename(tmp_path / f"{module}.py")
    try:
        for verb in (["sample"], ["reconstruct", "images/00.png"]):
            output = f"--output={verb[0]}.png"
            succeeds("predict", *verb, "--saved_model=model", output)
    finally:
        for module in _MODULES:
            (tmp_path / f"{module}.py").rename(folder / f"{module}.py")


def test_without_its_module_a_run_says_what_is_missing(
    trained, warm_process, tmp_path
):
    result = warm_process.run("evaluate", f"--workdir={trained}", cwd=tmp_path)
    app.assert_refused(
        result, "no module my_likelihood", "--import=my_likelihood"
    )


def test_the_model_has_the_parts(trained, modules):
    loaded = load_trained(trained)
    model, config = loaded.model, loaded.experiment.model
    likelihood, objective, prior = map(modules, _MODULES)
    assert config.likelihood == likelihood.LaplaceConfig(0.2)
    assert type(model.decoder.distribution) is likelihood.IndependentLaplace
    assert type(model.prior) is prior.SparsePrior
    assert model.prior.scale == 0.5
    assert type(model.objective) is objective.Capacity
    assert model.objective.get_config() == {"capacity": 3.0, "weight": 10.0}


def test_settings_are_helped_and_tensorflow_is_quiet(folder):
    """In a process of its own, which has not imported TensorFlow before."""
    flags = ["--import=my_likelihood", "--config.likelihood=laplace"]
    result = app.run("train", *flags, "--help", cwd=folder)
    assert "--config.likelihood.scale: In units of the [0, 1]" in result.stdout
    assert result.stderr == ""


def test_settings_are_checked(warm_process, folder):
    flags = ["--import=my_likelihood", "--config.likelihood=laplace"]
    result = warm_process.run(
        "train", *flags, "--config.likelihood.scale=0", cwd=folder
    )
    app.assert_refused(result, "config.likelihood.scale must be", "above 0")
    result = warm_process.run("train", flags[1], cwd=folder)
    app.assert_refused(result, "Unknown likelihood", "--import=MODULE")


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
