"""Tests of the parts that CONTRIBUTING shows, through the ordinary commands."""

import importlib
import json
import re

import numpy as np
import PIL.Image
import pytest
import scipy.stats

from keras_vae.config import registry
from keras_vae.training import load_trained
from tests.apps import app

pytestmark = pytest.mark.slow

_DOCUMENT = (app.ROOT / "CONTRIBUTING.md").read_text()
_MODULE = "my_parts"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the module of the worked example, and with images."""
    folder = tmp_path_factory.mktemp("own")
    (block,) = re.findall(r"^```python\n(.*?)^```$", _DOCUMENT, re.M | re.S)
    (folder / f"{_MODULE}.py").write_text(block)
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
    """The run folder of a model with the parts."""
    succeeds(
        "train",
        f"--import={_MODULE}",
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
    )
    return folder / "run"


@pytest.fixture
def module(folder, monkeypatch):
    """The module itself, imported."""
    copies = {kind: dict(found) for kind, found in registry._PARTS.items()}
    monkeypatch.setattr(registry, "_PARTS", copies)
    monkeypatch.syspath_prepend(folder)
    return importlib.import_module(_MODULE)


def test_a_run_remembers_its_parts_and_where_they_come_from(trained):
    config = json.loads((trained / "config.json").read_text())
    assert config["imports"] == [_MODULE]
    assert config["model"]["likelihood"] == {"name": "laplace", "scale": 0.2}


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
    (folder / f"{_MODULE}.py").rename(tmp_path / "away.py")
    try:
        for verb in (["sample"], ["reconstruct", "images/00.png"]):
            output = f"--output={verb[0]}.png"
            succeeds("predict", *verb, "--saved_model=model", output)
    finally:
        (tmp_path / "away.py").rename(folder / f"{_MODULE}.py")


def test_without_its_module_a_run_says_what_is_missing(
    trained, warm_process, tmp_path
):
    result = warm_process.run("evaluate", f"--workdir={trained}", cwd=tmp_path)
    app.assert_refused(result, "no module my_parts", "--import=my_parts")


def test_the_model_has_the_part(trained, module):
    loaded = load_trained(trained)
    model, experiment = loaded.model, loaded.experiment
    assert experiment.model.likelihood == module.LaplaceConfig(0.2)
    layer = model.decoder.distribution
    assert type(layer) is module.IndependentLaplace
    params = np.random.default_rng(1).normal(size=(3, 8, 8, 1))
    value = np.random.default_rng(2).normal(size=(3, 8, 8, 1))
    expected = scipy.stats.laplace.logpdf(value, params, 0.2).sum((1, 2, 3))
    found = layer(params).log_prob(value.astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_its_settings_are_checked_and_helped(warm_process, folder):
    flags = ["--import=my_parts", "--config.likelihood=laplace"]
    result = warm_process.run("train", *flags, "--help", cwd=folder)
    assert "--config.likelihood.scale: In units of the [0, 1]" in result.stdout
    result = warm_process.run(
        "train", *flags, "--config.likelihood.scale=0", cwd=folder
    )
    app.assert_refused(result, "config.likelihood.scale must be", "above 0")
    result = warm_process.run("train", flags[1], cwd=folder)
    app.assert_refused(result, "Unknown likelihood", "--import=MODULE")


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
