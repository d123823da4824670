"""Tests that a checkpoint holds all that a run consists of."""

import dataclasses

import numpy as np
import pytest

from keras_vae.config import NVAEConfig
from keras_vae.training import Adamax
from keras_vae.training.state import make_state
from tests.training import experiments


def _make_state(kind, total_steps=100, **model):
    make = {
        "vae": experiments.make_experiment,
        "hierarchical": experiments.make_hierarchical_experiment,
        "nvae": experiments.make_nvae_experiment,
    }[kind]
    return make_state(
        make(**model).model,
        (6, 6, 1),
        likelihood="bernoulli",
        total_steps=total_steps,
        seed=0,
        precision="float32",
    )


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("vae", {}),
        ("hierarchical", {}),
        ("nvae", {"num_flows": 1}),
    ],
)
def test_checkpoint_holds_every_variable(kind, model, tmp_path):
    state = _make_state(kind, **model)
    random = np.random.default_rng(0)
    variables = [*state.model.weights, *state.optimizer.variables]
    for variable in variables:
        value = random.uniform(1.0, 2.0, size=variable.shape)
        variable.assign(value.astype(variable.dtype))
    # As a run does; who loads it does not compile it.
    state.model.compile(optimizer=state.optimizer)
    path = state.checkpoint().save(str(tmp_path / "ckpt"))
    fresh = _make_state(kind, **model)
    fresh.checkpoint().restore(path).assert_consumed()
    found = [*fresh.model.weights, *fresh.optimizer.variables]
    missing = [
        old.path
        for old, new in zip(variables, found, strict=True)
        if np.any(old.numpy() != new.numpy())
    ]
    assert missing == []


def _rates(state, steps):
    """Returns the learning rate at each of these steps."""
    rates = []
    for step in steps:
        state.optimizer.iterations.assign(step)
        rates.append(float(state.optimizer.learning_rate))
    return rates


def _warmup_cosine(step, total, warmup, peak, final):
    angle = np.pi * (step - warmup) / (total - warmup)
    fall = final + 0.5 * (peak - final) * (1 + np.cos(angle))
    return np.where(step < warmup, peak * step / warmup, fall)


@pytest.mark.parametrize("kind", ["vae", "hierarchical", "nvae"])
@pytest.mark.parametrize("epochs", [1, 3, 400])
def test_learning_rate_rises_and_falls_by_steps(kind, epochs):
    """However few the epochs are: 40 steps each, of which 5 % warm up."""
    total = 40 * epochs
    state = _make_state(
        kind,
        total_steps=total,
        learning_rate=0.02,
        learning_rate_warmup=0.05,
        learning_rate_final=0.1,
    )
    steps = np.unique(np.linspace(0, total, 60).astype(int))
    np.testing.assert_allclose(
        _rates(state, steps),
        _warmup_cosine(steps, total, 2 * epochs, 0.02, 0.002),
        rtol=1e-4,
    )


def test_nvae_of_the_paper_trains_as_published():
    """On MNIST: 400 epochs of 150 steps; small networks stand for them."""
    config = dataclasses.replace(
        NVAEConfig.from_preset("mnist"),
        channels=4,
        num_groups=1,
        latent_channels=2,
        pad=1,
        num_blocks=1,
        regularization_initial=1.0,
    )
    state = make_state(
        config,
        (6, 6, 1),
        likelihood="bernoulli",
        total_steps=60_000,
        seed=0,
        precision="float32",
    )
    model, optimizer = state.model, state.guard.inner
    assert model.objective.balance
    for step, beta in [(6, 1e-4), (9_000, 0.499667), (18_006, 1.0)]:
        found = float(model.objective.kl_weight(step))
        assert found == pytest.approx(beta, rel=1e-5)
        weight = float(model.regularization_weight_at(step))
        assert weight == pytest.approx(0.01**beta, rel=1e-4)
    np.testing.assert_allclose(
        _rates(state, [0, 375, 750, 15_300, 60_000]),
        _warmup_cosine(
            np.array([0, 375, 750, 15_300, 60_000]), 60_000, 750, 0.01, 1e-4
        ),
        rtol=1e-5,
    )
    assert isinstance(optimizer, Adamax)
    assert (optimizer.beta_1, optimizer.beta_2) == (0.9, 0.999)
    assert (optimizer.epsilon, optimizer.l2_penalty) == (1e-3, 3e-4)
    assert all(map(optimizer._use_weight_decay, model.trainable_variables))
    assert state.guard.max_norm == state.guard.skip_factor == 0
    assert not state.guard.use_ema


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
