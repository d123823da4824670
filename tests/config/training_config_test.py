"""Tests of the configuration of a training."""

import pytest

from keras_vae.config import TrainingConfig
from keras_vae.errors import UserError


def test_defaults_are_possible():
    assert TrainingConfig().max_minutes is None


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


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
