"""Tests of settings in a row, as flags name them."""

import pytest

from keras_vae.config import (
    DenseConfig,
    HierarchicalConfig,
    NVAEConfig,
    VAEConfig,
)
from keras_vae.config.flat_settings import explain, flat_settings, from_flat
from keras_vae.config.registry import parts
from keras_vae.errors import UserError

_CHOSEN = {
    "likelihood": "auto",
    "objective": "elbo",
    "prior": "standard_normal",
    "posterior": "diagonal",
    "architecture": "residual",
}


def _defaults(*choice):
    return {found.name: found.default for found in flat_settings(*choice)}


@pytest.mark.parametrize("name", parts("model"))
def test_defaults_are_those_of_the_model(name):
    config = parts("model")[name]()
    assert _defaults(name, {}) == config.flat()
    assert from_flat(name, _defaults(name, {})) == config


@pytest.mark.parametrize("preset", NVAEConfig.presets)
def test_a_preset_is_where_to_start(preset):
    config = NVAEConfig.from_preset(preset)
    assert _defaults("nvae", {}, preset) == config.flat()


def test_settings_are_those_of_the_chosen_parts():
    found = _defaults("vae", {"architecture": "dense"})
    assert found["architecture"] == "dense"
    assert found["architecture.hidden_units"] == (512, 512)
    assert "architecture.filters" not in found
    dense = VAEConfig(architecture=DenseConfig((4,)))
    changed = {**found, "architecture.hidden_units": (4,)}
    assert from_flat("vae", changed) == dense


def test_what_a_model_prefers_is_the_default_of_another_part():
    choice = {"objective": "importance_weighted"}
    assert _defaults("nvae", choice)["objective.kl_balancing"] is True
    assert _defaults("hierarchical", choice)["objective.num_samples"] == 4
    elbo = _defaults("hierarchical", {"objective": "elbo"})
    assert from_flat("hierarchical", elbo) == HierarchicalConfig(
        objective="elbo"
    )


def test_help_names_the_parts_that_fit():
    (found,) = (f for f in flat_settings("vae", {}) if f.name == "objective")
    assert "elbo, importance_weighted" in found.help
    assert "squared_error" not in found.help


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("num_mixtures", "setting of the likelihood: --config.likelihood.num"),
        ("likelihood_scale", "--config.likelihood.scale."),
        ("beta", "setting of the objective: --config.objective.beta."),
        (
            "importance_samples",
            "--config.objective.num_samples. The objective is elbo; "
            "num_samples is a setting of importance_weighted: add "
            "--config.objective=importance_weighted",
        ),
        ("importance_start", "--config.objective.start. "),
        ("filters", "--config.architecture.filters."),
        (
            "hidden_units",
            "--config.architecture.hidden_units. The architecture is residual",
        ),
        (
            "architecture.hidden_units",
            "hidden_units is a setting of dense: add "
            "--config.architecture=dense, or leave it out.",
        ),
        ("architecture.filtres", "Did you mean 'filters'?"),
        ("posterior.scale", "The posterior diagonal has no settings."),
        ("latent_dims", "Did you mean 'latent_dim'?"),
        ("encoder.filters", "has no choice of encoder: its parts are likeli"),
    ],
)
def test_unknown_settings_are_explained(name, words):
    assert words in explain("vae", _CHOSEN, name)


def test_a_setting_of_the_model_is_no_parts():
    chosen = {"likelihood": "auto", "objective": "elbo"}
    assert "'filters'" in explain("hierarchical", chosen, "filtrs")
    why = explain("hierarchical", chosen, "posterior.x")
    assert "hierarchical has no choice of posterior" in why


def test_unknown_names_are_refused():
    with pytest.raises(UserError, match="Did you mean 'vae'"):
        list(flat_settings("vea", {}))
    with pytest.raises(UserError, match="Did you mean 'dense'"):
        list(flat_settings("vae", {"architecture": "dens"}))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
