"""Tests of `evaluate` on models with many latent groups."""

import math

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.config import HierarchicalConfig, NVAEConfig, TrainingConfig
from keras_vae.data import (
    ArraySplit,
    DataConfig,
    ImageDataset,
    evaluation_batches,
)
from keras_vae.evaluation import (
    EvaluationConfig,
    evaluate,
    format_table,
    likelihood_bounds,
)
from keras_vae.models import build_model, latent_statistics
from keras_vae.training import ExperimentConfig, TrainedModel
from tests.models.cases import IMAGE, make_hierarchical, make_nvae

_LEVELS = "discretized_logistic_mixture"
_CONFIG = EvaluationConfig(num_importance_samples=3)


def _dataset():
    levels = np.random.default_rng(0).integers(256, size=(20, *IMAGE))
    split = ArraySplit(levels.astype(np.uint8))
    return ImageDataset("grey", IMAGE, None, {"test": split})


@pytest.fixture
def figures_of():
    """Returns a function that evaluates a model as if a run had made it."""

    def evaluate_model(model, data, config):
        experiment = ExperimentConfig(data, config, TrainingConfig())
        trained = TrainedModel(model, experiment, experiment.prepare())
        return evaluate(trained, _CONFIG, dataset=_dataset())

    return evaluate_model


def _batches(**options):
    split = _dataset().splits["test"]
    return evaluation_batches(split, batch_size=100, **options)


def test_groups_are_listed_with_their_kl(figures_of):
    model = make_hierarchical()
    results = figures_of(model, DataConfig("mnist_5k"), HierarchicalConfig())
    figures = results["test"]
    latent = figures["latent"]
    statistics = latent_statistics(model, _batches(binarization="dynamic"))
    assert [tuple(g["shape"]) for g in latent["groups"]] == [
        (3,),
        (1, 1, 2),
        (2, 2, 2),
    ]
    found = [group["kl_divergence"] for group in latent["groups"]]
    np.testing.assert_allclose(found, statistics.kl_by_group, atol=1e-4)
    assert latent["active_units"] == statistics.active_units
    assert (latent["num_units"], latent["latent_dim"]) == (7, 13)
    assert latent["collapsed_groups"] == statistics.collapsed_groups
    assert "kl_by_dimension" not in latent
    # One draw a group here, three there: the sums are alike, not the same.
    assert sum(found) == pytest.approx(
        figures["elbo"]["kl_divergence"], rel=0.2
    )


def test_collapsed_group_is_marked_in_the_table(figures_of):
    model = make_nvae()
    for variable in model.decoder.posteriors[1].trainable_variables:
        variable.assign(tf.zeros(variable.shape))
    results = figures_of(model, DataConfig("mnist_5k"), NVAEConfig())
    latent = results["test"]["latent"]
    assert latent["collapsed_groups"] == [1]
    lines = format_table(results).splitlines()
    elbo, nll, units, first, second = lines
    assert "-ELBO" in elbo
    assert "NLL (IW, K=3)" in nll
    assert f"{latent['active_units']} of 4" in units
    kl = latent["groups"][0]["kl_divergence"]
    assert f"KL of group 0{kl:>18.3f} nats/image  (4x4x2)" in first
    assert "collapsed" not in first
    assert "KL of group 1             0.000 nats/image  (8x8x2)" in second
    assert second.endswith("collapsed: it says nothing about an image")


def test_bits_of_levels_are_nats_over_log_2(figures_of):
    num_bits = 5
    config = HierarchicalConfig(
        filters=(4,),
        bottlenecks=(3,),
        encoder_blocks=(0,),
        decoder_blocks=(0,),
        num_groups=(1,),
        likelihood={"name": _LEVELS, "num_mixtures": 2},
    )
    model = build_model(config, IMAGE, likelihood=_LEVELS, num_bits=num_bits)
    results = figures_of(model, DataConfig("grey", num_bits=num_bits), config)
    bounds = likelihood_bounds(
        model, _batches(binarization="none", num_bits=num_bits), 3, 0
    )
    figures = results["test"]
    for name, values in (
        ("elbo", bounds.elbo),
        ("nll", bounds.importance_weighted),
    ):
        figure = figures[name]
        assert figure["likelihood"] == _LEVELS
        assert (figure["binarization"], figure["dequantization"]) == (
            "none",
            "none",
        )
        assert figure["num_bits"] == num_bits
        # The probability of the levels as it is: nothing is added.
        assert figure["nats_per_image"] == pytest.approx(-values.mean())
        assert figure["bits_per_dimension"] == pytest.approx(
            figure["nats_per_image"] / (math.log(2) * 16)
        )
        # Levels that were uniform would take num_bits.
        assert 0.5 * num_bits < figure["bits_per_dimension"] < 3 * num_bits
    line = format_table(results).splitlines()[1]
    assert f"{num_bits}-bit, dequantization none" in line
    assert f"{figures['nll']['bits_per_dimension']:.4f} bits/dim" in line


def test_dequantized_images_of_few_bits_take_so_many(figures_of):
    # All weights 0: the posteriors are the priors, and logits of 0 make the
    # continuous Bernoulli uniform on [0, 1].
    model = make_hierarchical("continuous_bernoulli")
    model.dequantized_bits = 5
    for variable in model.trainable_variables:
        variable.assign(tf.zeros(variable.shape))
    config = HierarchicalConfig(likelihood="continuous_bernoulli")
    results = figures_of(model, DataConfig("grey", num_bits=5), config)
    for name in ("elbo", "nll"):
        figure = results["test"][name]
        assert figure["dequantization"] == "uniform"
        assert figure["bits_per_dimension"] == pytest.approx(5, abs=1e-5)
    latent = results["test"]["latent"]
    assert latent["active_units"] == 0
    assert latent["collapsed_groups"] == [0, 1, 2]


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
