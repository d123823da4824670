"""Tests of `evaluate`: figures with their protocol."""

import dataclasses
import io
import json
import math
import shutil

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.config import TrainingConfig, VAEConfig
from keras_vae.data import (
    ArraySplit,
    DataConfig,
    ImageDataset,
    evaluation_batches,
    load,
)
from keras_vae.errors import StorageError, UserError
from keras_vae.evaluation import (
    EvaluationConfig,
    evaluate,
    format_table,
    likelihood_bounds,
)
from keras_vae.training import ExperimentConfig, TrainedModel, load_trained
from tests.full_disk import full_disk
from tests.models.cases import IMAGE, make_model

PROTOCOL = {
    "nats_per_image",
    "standard_error",
    "bits_per_dimension",
    "bound",
    "num_importance_samples",
    "dataset",
    "split",
    "num_images",
    "binarization",
    "dequantization",
    "likelihood",
    "num_dimensions",
    "padding",
    "seed",
    "step",
}


@pytest.fixture(scope="module")
def results(vae_run):
    config = EvaluationConfig(num_importance_samples=5, num_images=60, seed=2)
    return evaluate(load_trained(vae_run), config)


def test_each_figure_names_its_protocol(results):
    elbo, nll = results["test"]["elbo"], results["test"]["nll"]
    assert elbo.keys() >= PROTOCOL
    assert nll.keys() >= PROTOCOL
    for figure in (elbo, nll):
        assert figure["dataset"] == "mnist_5k"
        assert figure["split"] == "test"
        assert figure["num_images"] == 60
        assert figure["binarization"] == "dynamic"
        assert figure["dequantization"] == "none"
        assert figure["likelihood"] == "bernoulli"
        assert figure["num_dimensions"] == 784
        assert figure["seed"] == 2
    assert elbo["bound"] == "negative ELBO"
    assert elbo["num_importance_samples"] == 1
    assert nll["bound"] == "importance-weighted"
    assert nll["num_importance_samples"] == 5


def test_figures_are_those_of_the_bounds(results, vae_run):
    trained = load_trained(vae_run)
    model, experiment = trained.model, trained.experiment
    batches = evaluation_batches(
        load(experiment.data).splits["test"],
        batch_size=100,
        binarization="dynamic",
        seed=2,
        num_images=60,
    )
    bounds = likelihood_bounds(model, batches, 5, seed=2)
    elbo, nll = results["test"]["elbo"], results["test"]["nll"]
    assert elbo["nats_per_image"] == pytest.approx(-bounds.elbo.mean())
    weighted = -bounds.importance_weighted
    assert nll["nats_per_image"] == pytest.approx(weighted.mean())
    error = weighted.std(ddof=1) / math.sqrt(60)
    assert nll["standard_error"] == pytest.approx(error)
    assert nll["bits_per_dimension"] == pytest.approx(
        weighted.mean() / 784 / math.log(2)
    )
    assert elbo["nats_per_image"] == pytest.approx(
        elbo["kl_divergence"] - elbo["log_likelihood"]
    )
    assert results["test"]["latent"]["latent_dim"] == 3


def test_results_are_kept_beside_those_of_other_splits(vae_run, results):
    config = EvaluationConfig(
        split="validation", num_importance_samples=1, num_images=1
    )
    other = evaluate(load_trained(vae_run), config)
    assert other["validation"]["nll"]["standard_error"] is None
    assert other["validation"]["latent"]["active_units"] is None
    assert "active units" not in format_table(other)
    assert "±" not in format_table(other)
    content = json.loads((vae_run / "results.json").read_text())
    assert content["test"][-1] == results["test"]
    assert content["validation"][-1] == other["validation"]
    assert content["training"]["epochs"] == 1.0


def test_figures_are_shown_before_they_are_written(vae_run, results):
    del results  # What an evaluation compiles into files is there.
    written = (vae_run / "results.json").read_bytes()
    config = EvaluationConfig(num_importance_samples=1, num_images=2, seed=3)
    shown, trained = [], load_trained(vae_run)
    with full_disk(10), pytest.raises(StorageError, match="results"):
        evaluate(trained, config, show=shown.append)
    assert shown[0]["test"]["nll"]["seed"] == 3
    assert (vae_run / "results.json").read_bytes() == written


def test_the_same_evaluation_gives_the_same_figures(vae_run, results):
    config = EvaluationConfig(num_importance_samples=5, num_images=60, seed=2)
    assert evaluate(load_trained(vae_run), config) == results


def test_autoencoder_has_a_squared_error_alone(autoencoder_run):
    config = EvaluationConfig(num_images=50)
    results = evaluate(load_trained(autoencoder_run), config)
    assert results["test"].keys() == {"squared_error"}
    figure = results["test"]["squared_error"]
    trained = load_trained(autoencoder_run)
    model, experiment = trained.model, trained.experiment
    batches = evaluation_batches(
        load(experiment.data).splits["test"],
        batch_size=100,
        binarization=figure["binarization"],
        num_images=50,
    )
    images = next(iter(batches)).numpy()
    mean = model.decoder(model.encode(images)).mean()
    expected = ((images - mean) ** 2).numpy().sum((1, 2, 3))
    assert figure["squared_error_per_image"] == pytest.approx(
        expected.mean(), rel=1e-5
    )
    assert figure["mean_squared_error"] == pytest.approx(
        expected.mean() / 784, rel=1e-5
    )


def test_one_image_has_no_standard_error(autoencoder_run):
    results = evaluate(
        load_trained(autoencoder_run), EvaluationConfig(num_images=1)
    )
    figure = results["test"]["squared_error"]
    assert figure["standard_error"] is None
    assert f"{figure['squared_error_per_image']:.3f} per image (1 image of" in (
        format_table(results)
    )
    text = (autoencoder_run / "results.json").read_text()
    content = json.loads(text, parse_constant=pytest.fail)
    assert content["test"][-1]["squared_error"]["standard_error"] is None


def test_a_uniform_density_takes_8_bits_a_dimension():
    # All weights 0: the posterior is the prior, and logits of 0 make the
    # continuous Bernoulli uniform on [0, 1].
    model = make_model("continuous_bernoulli")
    model.dequantized_bits = 8
    for variable in model.trainable_variables:
        variable.assign(tf.zeros(variable.shape))
    experiment = ExperimentConfig(
        DataConfig("fashion_mnist"),
        VAEConfig(likelihood="continuous_bernoulli"),
        TrainingConfig(),
    )
    levels = np.random.default_rng(0).integers(256, size=(20, *IMAGE))
    split = ArraySplit(levels.astype(np.uint8))
    dataset = ImageDataset("grey", IMAGE, None, {"test": split})
    trained = TrainedModel(model, experiment, experiment.prepare())
    config = EvaluationConfig(num_importance_samples=7)
    figures = evaluate(trained, config, dataset=dataset)["test"]
    for name in ("elbo", "nll"):
        assert figures[name]["dequantization"] == "uniform"
        assert figures[name]["bits_per_dimension"] == pytest.approx(8, abs=1e-5)
        assert figures[name]["nats_per_image"] == pytest.approx(
            16 * math.log(256), rel=1e-6
        )
    assert figures["latent"]["active_units"] == 0


@pytest.mark.parametrize("num_bits", [8, 5])
def test_figures_are_the_bounds_of_dequantized_images(
    num_bits,
):
    # Logits that differ: a density that is not flat within a bin.
    model = make_model("continuous_bernoulli")
    model.dequantized_bits = num_bits
    experiment = ExperimentConfig(
        DataConfig("fashion_mnist", num_bits=num_bits),
        VAEConfig(likelihood="continuous_bernoulli"),
        TrainingConfig(),
    )
    levels = np.random.default_rng(0).integers(256, size=(20, *IMAGE))
    split = ArraySplit(levels.astype(np.uint8))
    trained = TrainedModel(model, experiment, experiment.prepare())
    figures = evaluate(
        trained,
        EvaluationConfig(num_importance_samples=7, num_images=15, seed=3),
        dataset=ImageDataset("grey", IMAGE, None, {"test": split}),
    )["test"]
    batches = evaluation_batches(
        split,
        batch_size=100,
        binarization="none",
        dequantization="uniform",
        num_bits=num_bits,
        seed=3,
        num_images=15,
    )
    bounds = likelihood_bounds(model, batches, 7, 3)
    for name, values in (
        ("elbo", bounds.elbo),
        ("nll", bounds.importance_weighted),
    ):
        assert figures[name]["nats_per_image"] == pytest.approx(
            -values.mean(), rel=1e-6
        )


def test_table_shows_each_figure_with_its_protocol(results):
    table = format_table(results)
    elbo, nll, latent = table.splitlines()
    assert f"{results['test']['elbo']['nats_per_image']:.3f}" in elbo
    assert "-ELBO" in elbo
    assert "NLL (IW, K=5)" in nll
    assert "60 images of mnist_5k" in nll
    assert "dynamic binarization, seed 2" in nll
    assert "of 3" in latent


def test_figures_name_the_step_of_the_model(vae_run, tmp_path):
    run = shutil.copytree(vae_run, tmp_path / "run")
    results, loaded = run / "results.json", load_trained(run)
    dataset = load(loaded.experiment.data)
    config = EvaluationConfig(num_importance_samples=1, num_images=2)
    for step, last, done, text in (
        (80, 80, 80, ""),
        (80, 80, None, ""),
        # Damaged; and the lowest loss was before the end.
        (40, 80, None, ", at step 40 of 80"),
        # Training has gone on since, or was killed before it wrote its results.
        (40, 80, 60, ", at step 40 of 80"),
        (40, 40, 1200, ", at step 40 of 1,200"),
    ):
        training = {} if done is None else {"training": {"steps": done}}
        results.write_text(json.dumps(training))
        other = dataclasses.replace(loaded, step=step, last_step=last)
        found = evaluate(other, config, dataset=dataset)
        written = json.loads(results.read_text())["test"][-1]
        for name in ("elbo", "nll"):
            assert written[name]["step"] == step
            assert ("last_step" in written[name]) == bool(text)
        assert f"2 images of mnist_5k{text}, dynamic" in format_table(found)


def test_figures_without_a_step_are_shown(results):
    older = json.loads(json.dumps(results))
    for figure in older["test"].values():
        figure.pop("step", None)
    assert format_table(older) == format_table(results)


def test_table_of_an_autoencoder(autoencoder_run):
    results = evaluate(
        load_trained(autoencoder_run), EvaluationConfig(num_images=50)
    )
    figure = results["test"]["squared_error"]["squared_error_per_image"]
    assert f"{figure:.3f}" in format_table(results)


def test_progress_is_shown_on_a_terminal_only(vae_run, monkeypatch):
    monkeypatch.setattr("keras_vae.progress._DELAY", 0.0)

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    config = EvaluationConfig(num_importance_samples=1, num_images=120)
    for stream, expected in [
        (Terminal(), "120/120"),
        (io.StringIO(), ""),
    ]:
        evaluate(load_trained(vae_run), config, stream=stream)
        *_, last = stream.getvalue().split("\r")
        assert expected in last
        assert bool(last) == bool(expected)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("split", "dev"),
        ("num_importance_samples", 0),
        ("num_images", 0),
        ("seed", -1),
        ("seed", 2**31),
    ],
)
def test_bad_settings_are_named(argument, value):
    with pytest.raises(UserError, match=rf"Received: {argument}={value}"):
        EvaluationConfig(**{argument: value})


def test_more_images_than_there_are_is_a_user_error(vae_run):
    with pytest.raises(UserError, match="num_images=501"):
        evaluate(load_trained(vae_run), EvaluationConfig(num_images=501))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
