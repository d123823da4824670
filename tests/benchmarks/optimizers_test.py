"""Tests of the benchmark of optimizers in pairs."""

import dataclasses
import decimal

import keras
import numpy as np
import pytest

from benchmarks import optimizers
from keras_vae.config import DenseConfig, VAEConfig
from keras_vae.training import Adam, Guard, Muon

_CONFIG = VAEConfig(
    architecture=DenseConfig(hidden_units=(4,)), latent_dim=2, batch_size=8
)


@pytest.mark.parametrize(
    ("name", "inner"), [("adam", Adam(0.1)), ("muon", Muon(0.1, beta_1=0.8))]
)
def test_theirs_has_the_same_settings(name, inner):
    config = dataclasses.replace(_CONFIG, optimizer=name, beta_2=0.75)
    guard = Guard(inner, max_norm=3.0, use_ema=True, ema_momentum=0.5)
    other = optimizers.theirs(guard, config, 10)
    kind = {"adam": keras.optimizers.Adam, "muon": keras.optimizers.Muon}[name]
    assert type(other.inner) is kind
    ours, theirs = guard.get_config(), other.get_config()
    for skipped in ("name", "inner"):
        del ours[skipped], theirs[skipped]
    assert ours == theirs
    found = other.inner.get_config()
    prefix = "adam_" if name == "muon" else ""
    assert found[f"{prefix}beta_1"] == inner.beta_1
    assert found[f"{prefix}beta_2"] == 0.75
    assert found["epsilon"] == config.optimizer_epsilon
    if name == "muon":
        assert found["momentum"] == 0.8


def test_both_take_the_same_batches():
    """Keras's Adam takes the steps of ours, up to rounding."""
    images = np.random.RandomState(0).randint(0, 256, (1064, 6, 6, 1))
    rows = optimizers.measure(_CONFIG, images.astype(np.uint8), 32, 1)
    assert [row["label"] for row in rows] == [
        "`Adam`",
        "`keras.optimizers.Adam`",
    ]
    assert rows[0]["ratio"] == 1
    assert all(row["cpu_seconds"] > 0 for row in rows)
    difference = rows[0]["negative_elbo"] - rows[1]["negative_elbo"]
    assert abs(difference) <= decimal.Decimal("0.02")
    assert 15 < rows[0]["negative_elbo"] < 40  # 36 coins are 25 nats.


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
