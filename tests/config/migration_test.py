"""Tests of reading what earlier versions wrote."""

import json
import pathlib

import pytest

from keras_vae.config import (
    AutoencoderConfig,
    ConvolutionalConfig,
    ELBOConfig,
    HierarchicalConfig,
    ImportanceWeightedConfig,
    NVAEConfig,
    VAEConfig,
)
from keras_vae.config.migration import SCHEMA, migrate
from keras_vae.config.registry import from_dict
from keras_vae.errors import UserError

_RUNS = pathlib.Path(__file__).parents[1] / "golden" / "runs"
# What every model of schema 1 had, at its defaults.
_COMMON = {
    "likelihood": "auto",
    "likelihood_scale": 0.1,
    "num_mixtures": 10,
    "beta": 1.0,
    "beta_initial": 0.1,
    "beta_warmup": 0.08,
    "free_bits": 0.0,
    "kl_balancing": False,
    "importance_samples": 1,
    "importance_start": 0.0,
}
_ONE_LATENT = {
    **_COMMON,
    "model": "vae",
    "architecture": "residual",
    "latent_dim": 32,
    "hidden_units": [512, 512],
    "filters": [16, 64],
    "num_blocks": [1, 2],
    "dense_units": 256,
    "activation": "elu",
    "posterior": "diagonal",
    "num_classes": "0",
}


def _read(model):
    return from_dict("model", migrate({"model": model})["model"])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, VAEConfig()),
        ({"beta": 4.0}, VAEConfig(objective=ELBOConfig(4.0))),
        (
            {
                "architecture": "dense",
                "hidden_units": [8],
            },
            VAEConfig(
                architecture={
                    "name": "dense",
                    "hidden_units": (8,),
                }
            ),
        ),
        ({"posterior": "full"}, VAEConfig(posterior="full")),
        ({"num_classes": "auto"}, VAEConfig(num_classes="auto")),
        (
            {"likelihood": "normal_fixed", "likelihood_scale": 0.5},
            VAEConfig(likelihood={"name": "normal_fixed", "scale": 0.5}),
        ),
        (
            {"num_mixtures": 3, "likelihood_scale": 0.5},
            VAEConfig(likelihood={"num_mixtures": 3, "scale": 0.5}),
        ),
        (
            {"importance_samples": 5, "importance_start": 0.5, "beta": 2.0},
            VAEConfig(
                objective=ImportanceWeightedConfig(
                    beta=2.0, num_samples=5, start=0.5
                )
            ),
        ),
        (
            {
                "model": "autoencoder",
                "architecture": "convolutional",
                "activation": "relu",
                "learning_rate": 1e-3,
                "clip_norm": 0.0,
            },
            AutoencoderConfig(
                architecture=ConvolutionalConfig(activation="relu")
            ),
        ),
    ],
)
def test_settings_go_to_their_parts(changes, expected):
    assert _read({**_ONE_LATENT, **changes}) == expected


def test_nvae_keeps_its_warmup():
    old = {**_COMMON, "beta_initial": 1e-4, "beta_warmup": 0.3}
    old |= {"model": "nvae", "kl_balancing": True, "channels": 16}
    assert _read(old) == NVAEConfig(channels=16)
    assert _read(old).objective.beta_schedule == "clipped"


def test_a_hierarchy_keeps_what_has_the_names_of_networks():
    old = {**_COMMON, "model": "hierarchical", "filters": [8, 8]}
    old |= {"importance_samples": 4, "importance_start": 0.85}
    assert _read(old) == HierarchicalConfig(filters=(8, 8))
    assert _read({**old, "importance_samples": 1}).objective == ELBOConfig()


@pytest.mark.parametrize("path", sorted(_RUNS.iterdir()), ids=lambda p: p.name)
def test_golden_runs_keep_every_setting_that_counts(path):
    config = json.loads((path / "config.json").read_text())
    if "schema" in config:
        return
    model = from_dict("model", migrate(config)["model"])
    kept = {
        name.rpartition(".")[2]: list(value)
        if isinstance(value, tuple)
        else value
        for name, value in model.flat().items()
    }
    kept |= {
        "model": model.name,
        "likelihood_scale": kept["scale"],
        "importance_samples": kept.get("num_samples", 1),
        "importance_start": kept.get("start", 0.0),
    }
    unused = {"filters", "num_blocks", "dense_units"}
    for name, value in config["model"].items():
        if name in kept or model.name != "vae" or name not in unused:
            assert kept[name] == value


def test_the_rest_is_left_alone():
    config = {"model": dict(_ONE_LATENT), "data": {"pad": 2}, "image_shape": 3}
    found = migrate(config)
    assert found["schema"] == SCHEMA
    assert (found["data"], found["image_shape"]) == ({"pad": 2}, 3)
    assert config["model"] == _ONE_LATENT


def test_what_is_of_today_stays_as_it_is():
    content = {"schema": SCHEMA, "model": VAEConfig().to_dict()}
    assert migrate(content) == content
    assert migrate({"model": 3}) == {"model": 3}


def test_an_unknown_setting_is_kept_to_be_refused():
    with pytest.raises(UserError, match="no such setting.*new_idea"):
        _read({**_ONE_LATENT, "new_idea": 3})


@pytest.mark.parametrize("schema", [SCHEMA + 1, 0, -1, "2", None, 1.0, True])
def test_other_schemas_are_refused(schema):
    with pytest.raises(UserError, match=rf"reads 1 to {SCHEMA}.*version that"):
        migrate({"schema": schema, "model": {}})


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
