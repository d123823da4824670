"""Tests of the configuration of models and training."""

import dataclasses
import math

import pytest

from keras_vae.config import (
    TrainingConfig,
    VAEConfig,
    check_choice,
    differences,
)
from keras_vae.errors import UserError


def test_defaults_are_valid():
    VAEConfig()
    TrainingConfig()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("latent_dim", 0),
        ("latent_dim", True),
        ("latent_dim", "3"),
        ("latent_dim", 2.5),
        ("dense_units", 0),
        ("batch_size", 0),
        ("batch_size", 1.5),
        ("likelihood_scale", 0),
        ("likelihood_scale", math.nan),
        ("learning_rate", 0.0),
        ("learning_rate", math.inf),
        ("beta", -1),
        ("free_bits", -0.1),
        ("clip_norm", -1),
        ("beta_initial", 1.5),
        ("beta_warmup", -0.1),
        ("learning_rate_warmup", 1),
        ("learning_rate_final", 1.1),
        ("beta_2", 1),
        ("ema_momentum", 1.0),
        ("architecture", "transformer"),
        ("posterior", "none"),
        ("likelihood", "poisson"),
        ("hidden_units", ()),
        ("hidden_units", 512),
        ("hidden_units", (0,)),
        ("hidden_units", (1.5,)),
        ("filters", (0, 4)),
        ("num_blocks", (-1, 2)),
    ],
)
def test_bad_model_settings_are_named(name, value):
    with pytest.raises(UserError, match=rf"config\.{name}.*Received: "):
        VAEConfig(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", 1.5),
        ("max_minutes", 0),
        ("max_minutes", -1.0),
        ("seed", -1),
        ("seed", 2**31),
        ("seed", 0.5),
        ("distribution", "tpu"),
        ("precision", "float16"),
        ("jit_compile", "maybe"),
        ("patience", -1),
        ("keep_checkpoints", 0),
        ("checkpoint_seconds", -1),
    ],
)
def test_bad_training_settings_are_named(name, value):
    with pytest.raises(UserError, match=rf"{name}.*Received: {name}="):
        TrainingConfig(**{name: value})


def test_scales_and_blocks_must_agree():
    with pytest.raises(UserError, match=r"filters.*num_blocks.*Received: "):
        VAEConfig(filters=(8, 16), num_blocks=(1,))


def test_lists_become_tuples():
    config = VAEConfig(hidden_units=[4, 5], filters=[8], num_blocks=[0])
    assert config.hidden_units == (4, 5)
    assert config == dataclasses.replace(config)
    assert hash(config) == hash(dataclasses.replace(config))


def test_unknown_choice_says_what_is_near():
    with pytest.raises(UserError, match=r"Did you mean 'dense'\?.*a=dens$"):
        check_choice("a", "dens", ("dense", "residual"))
    check_choice("a", "dense", ("dense", "residual"))


def test_differences_are_named_with_their_path():
    old = {"a": {"x": 1, "y": (2, 3)}, "b": 1}
    new = {"a": {"x": 1, "y": (2, 4)}, "c": None, "b": 2}
    assert differences(old, new) == ["a.y: (2, 3) -> (2, 4)", "b: 1 -> 2"]
    assert differences(old, old) == []


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
