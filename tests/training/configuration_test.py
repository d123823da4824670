"""Tests that each setting reaches what it configures, and nothing else."""

import dataclasses
import json

import keras
import pytest

from keras_vae.config import ConvolutionalConfig, ResidualConfig
from keras_vae.config.flat_settings import from_flat
from keras_vae.config.registry import KINDS
from keras_vae.training.state import make_state
from tests.training import experiments

_NOT_SAID = ("module", "registered_name", "name", "build_config", "dtype")
_DRAWS = {
    "objective": {"name": "importance_weighted", "num_samples": 2, "start": 0.5}
}

BASES = {
    "dense": experiments.make_experiment().model,
    "draws": experiments.make_experiment(**_DRAWS).model,
    "adamax": experiments.make_experiment(optimizer="adamax").model,
    "convolutional": experiments.make_experiment(
        architecture=ConvolutionalConfig((2, 3))
    ).model,
    "residual": experiments.make_experiment(
        architecture=ResidualConfig((2, 3), (1, 1))
    ).model,
    "hierarchical": experiments.make_hierarchical_experiment(
        dense_groups=1, dense_bottleneck=5, dense_latent_dim=2, **_DRAWS
    ).model,
    "nvae": experiments.make_nvae_experiment(
        num_blocks=1, pad=0, num_groups=2, regularization_initial=1.0
    ).model,
}

# A value for each setting, and what of the state it changes.
COMMON = {
    "likelihood.scale": (0.7, {"decoder.distribution.scale_value": 0.7}),
    "objective.beta": (2.0, {"objective.beta.final": 2.0}),
    "objective.beta_initial": (0.25, {"objective.beta.initial": 0.5}),
    "objective.beta_warmup": (0.4, {"objective.beta.fraction": 0.4}),
    "objective.free_bits": (0.6, {"objective.free_bits": 0.6}),
    "objective.kl_balancing": (True, {"objective.balance": True}),
    "learning_rate": (0.3, {"optimizer.inner.learning_rate.peak": 0.3}),
    "learning_rate_warmup": (
        0.2,
        {"optimizer.inner.learning_rate.warmup_fraction": 0.2},
    ),
    "learning_rate_final": (
        0.125,
        {"optimizer.inner.learning_rate.final_fraction": 0.125},
    ),
    "beta_2": (0.75, {"optimizer.inner.beta_2": 0.75}),
    "optimizer_epsilon": (0.05, {"optimizer.inner.epsilon": 0.05}),
    "clip_norm": (3.0, {"optimizer.max_norm": 3.0}),
    "skip_factor": (4.0, {"optimizer.skip_factor": 4.0}),
    "ema_momentum": (0.8, {"optimizer.ema_momentum": 0.8}),
}
ADAMAX = {
    name: COMMON[name]
    for name in (
        "learning_rate",
        "beta_2",
        "optimizer_epsilon",
        "clip_norm",
        "skip_factor",
        "ema_momentum",
    )
} | {"weight_decay": (0.15, {"optimizer.inner.l2_penalty": 0.15})}
DRAWS = {
    "objective.num_samples": (3, {"objective.num_samples.final": 3}),
    "objective.start": (0.75, {"objective.num_samples.fraction": 0.75}),
    "objective.beta_warmup": (0.5, {"objective.elbo.beta.fraction": 0.5}),
    "objective.free_bits": (0.25, {"objective.elbo.free_bits": 0.25}),
    "objective.kl_balancing": (True, {"objective.elbo.balance": True}),
}


def _both(name, value, other=None):
    """Returns a change of the encoder's and the decoder's argument."""
    return value, {
        f"encoder.{name}": value,
        f"decoder.{name}": value if other is None else other,
    }


DENSE = {
    **COMMON,
    "latent_dim": (
        5,
        {
            "encoder.distribution.event_size": 5,
            "decoder.latent_dim": 5,
            "prior.latent_dim": 5,
        },
    ),
    "architecture.hidden_units": _both("hidden_units", (7, 9), (9, 7)),
    "architecture.activation": _both("activation", "tanh"),
    "posterior": (
        "full",
        {"encoder.distribution.class_name": "MultivariateNormalTriL"},
    ),
}
CONVOLUTIONAL = {
    "architecture.filters": _both("filters", (4, 5)),
    "architecture.dense_units": _both("dense_units", 7),
    "architecture.activation": _both("activation", "tanh"),
}
RESIDUAL = {
    **CONVOLUTIONAL,
    "architecture.num_blocks": _both("num_blocks", (2, 1)),
}
HIERARCHICAL = {
    **DRAWS,
    "filters": _both("filters", (6,)),
    "bottlenecks": _both("bottlenecks", (5,)),
    "encoder_blocks": ((4,), {"encoder.num_blocks": (4,)}),
    "decoder_blocks": ((2,), {"decoder.num_blocks": (2,)}),
    "num_groups": _both("num_groups", (3,)),
    "latent_channels": (7, {"decoder.latent_channels": 7}),
    "top_latent_dim": (8, {"decoder.top_latent_dim": 8}),
    "dense_units": _both("dense_units", 9),
    "dense_groups": _both("dense_groups", 10),
    "dense_bottleneck": _both("dense_bottleneck", 11),
    "dense_latent_dim": (12, {"decoder.dense_latent_dim": 12}),
    "activation": _both("activation", "tanh"),
    "upsampling": ("nearest", {"decoder.upsampling": "nearest"}),
}
NVAE = {
    "objective.beta": (2.0, {"objective.beta.final": 2.0}),
    "objective.beta_initial": (0.3, {"objective.beta.floor": 0.3}),
    "objective.beta_warmup": (0.5, {"objective.beta.fraction": 0.5}),
    "channels": _both("channels", 8),
    "pad": _both("pad", 4),
    "num_groups": (
        3,
        {"encoder.groups_per_scale": [3], "decoder.groups_per_scale": [3]},
    ),
    "latent_channels": (5, {"decoder.latent_channels": 5}),
    "encoder_cells": (2, {"encoder.encoder_cells": 2}),
    "decoder_cells": (3, {"decoder.decoder_cells": 3}),
    "num_blocks": _both("num_blocks", 2),
    "pre_cells": (3, {"encoder.pre_cells": 3}),
    "post_cells": (2, {"decoder.post_cells": 2}),
    "decoder_expansion": (4, {"decoder.decoder_expansion": 4}),
    "post_expansion": (6, {"decoder.post_expansion": 6}),
    "kernel_size": (3, {"decoder.kernel_size": 3}),
    "num_flows": (1, {"decoder.num_flows": 1}),
    "smooth_scale": (True, {"decoder.smooth_scale": True}),
    "residual_prior": (True, {"decoder.residual_prior": True}),
    "depth_scaled_init": _both("depth_scaled_init", True),
    "recompute": _both("recompute", True),
    "regularization_weight": (0.5, {"regularization_weight": 0.5}),
    "regularization_initial": (
        3.0,
        {"initial_regularization_weight": 3.0},
    ),
}
CHANGES = {
    "dense": DENSE,
    "adamax": ADAMAX,
    "draws": DRAWS,
    "convolutional": CONVOLUTIONAL,
    "residual": RESIDUAL,
    "hierarchical": HIERARCHICAL,
    "nvae": NVAE,
}
# What does not end in the state, or changes the class of a part of it.
ELSEWHERE = {
    *KINDS,
    "likelihood.num_mixtures",  # Below.
    "objective.beta_schedule",  # Below.
    "num_classes",
    "output_mean_bias",
    "batch_size",
    "optimizer",  # Below.
    "preset",
    "num_scales",
    "adaptive",
    "min_groups",
}


def _flat(value, path=""):
    """Returns the leaves of a serialized object, by their paths."""
    if not isinstance(value, dict):
        return {path: value}
    leaves = {}
    for key, item in value.items():
        if key not in _NOT_SAID:
            # The arguments of a part go by the name of the part alone.
            here = path if key == "config" else f"{path}.{key}".lstrip(".")
            leaves |= _flat(item, here)
    return leaves


def _describe(config, **arguments):
    """Returns all arguments of a state's model and optimizer, by paths."""
    arguments = {
        "likelihood": "normal_fixed",
        "total_steps": 100,
        "seed": 0,
        **arguments,
    }
    state = make_state(config, (8, 8, 1), precision="float32", **arguments)
    parts = {
        **state.model.get_config(),
        "optimizer": keras.saving.serialize_keras_object(state.optimizer),
    }
    return _flat(json.loads(json.dumps(parts)))


def _replaced(config, values):
    """Returns a configuration with other values, by the names of flags."""
    return from_flat(config.name, {**config.flat(), **values})


def _changed(before, after):
    return {
        path: after.get(path)
        for path in before.keys() | after.keys()
        if before.get(path) != after.get(path)
    }


@pytest.mark.parametrize("kind", CHANGES)
def test_settings_change_what_they_configure_and_nothing_else(kind):
    """All at once: no two that could be mistaken have the same value."""
    values = {name: value for name, (value, _) in CHANGES[kind].items()}
    expected = {}
    for _, changes in CHANGES[kind].values():
        expected |= changes
    before = _describe(BASES[kind])
    found = _describe(_replaced(BASES[kind], values))
    assert _changed(before, found) == json.loads(json.dumps(expected))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("seed", 3, {"seed": 3}),
        (
            "total_steps",
            70,
            {
                "objective.beta.total_steps": 70,
                "optimizer.inner.learning_rate.total_steps": 70,
            },
        ),
        (
            "class_names",
            ["a", "b"],
            {
                "class_names": ["a", "b"],
                "encoder.num_classes": 2,
                "decoder.num_classes": 2,
            },
        ),
    ],
)
def test_an_argument_of_the_state_reaches_the_model(name, value, expected):
    found = _describe(BASES["dense"], **{name: value})
    assert _changed(_describe(BASES["dense"]), found) == expected


def test_levels_reach_the_likelihood():
    levels = {"likelihood": "discretized_logistic_mixture"}
    before = _describe(BASES["dense"], **levels)
    config = _replaced(BASES["dense"], {"likelihood.num_mixtures": 3})
    name = "decoder.distribution.num_components"
    assert _changed(before, _describe(config, **levels)) == {name: 3}
    found = _describe(BASES["dense"], **levels, num_bits=5)
    assert _changed(before, found) == {"decoder.distribution.num_bits": 5}


@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize(
    ("optimizer", "kind"),
    [("adam", "Adam"), ("adamax", "Adamax"), ("muon", "Muon")],
)
def test_optimizer_is_the_one_that_is_named(optimizer, kind, momentum):
    config = dataclasses.replace(
        BASES["dense"],
        optimizer=optimizer,
        ema_momentum=momentum,
        beta_2=0.75,
        optimizer_epsilon=0.25,
    )
    found = _describe(config)
    assert found["optimizer.inner.class_name"] == kind
    assert found["optimizer.use_ema"] is (momentum > 0)
    assert found["optimizer.inner.beta_2"] == 0.75
    assert found["optimizer.inner.epsilon"] == 0.25


@pytest.mark.parametrize(
    ("schedule", "kind"), [("linear", "LinearWarmup"), ("clipped", "KLWarmup")]
)
def test_schedule_of_beta_is_the_one_that_is_named(schedule, kind):
    values = {"objective.beta_schedule": schedule, "objective.beta_warmup": 0.4}
    found = _describe(_replaced(BASES["dense"], values))
    assert found["objective.beta.class_name"] == kind
    assert found["objective.beta.fraction"] == 0.4


@pytest.mark.parametrize("kind", BASES)
def test_every_setting_is_in_a_table(kind):
    known = {*CHANGES["dense"], *CHANGES["adamax"], *CHANGES[kind]}
    assert BASES[kind].flat().keys() - known - ELSEWHERE == set()


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
