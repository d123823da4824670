"""Tests that a checkpoint holds all that a run consists of."""

import numpy as np
import pytest

from keras_vae.training.state import make_state
from tests.training import experiments


def _make_state(kind, **model):
    make = {
        "vae": experiments.make_experiment,
        "hierarchical": experiments.make_hierarchical_experiment,
        "nvae": experiments.make_nvae_experiment,
    }[kind]
    return make_state(
        make(**model).model,
        (6, 6, 1),
        likelihood="bernoulli",
        total_steps=100,
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
    variables = [*state.model.variables, *state.optimizer.variables]
    for variable in variables:
        value = random.uniform(1.0, 2.0, size=variable.shape)
        variable.assign(value.astype(variable.dtype))
    # As a run does; who loads it does not compile it.
    state.model.compile(optimizer=state.optimizer)
    path = state.checkpoint().save(str(tmp_path / "ckpt"))
    fresh = _make_state(kind, **model)
    fresh.checkpoint().restore(path).assert_consumed()
    found = [*fresh.model.variables, *fresh.optimizer.variables]
    missing = [
        old.path
        for old, new in zip(variables, found, strict=True)
        if np.any(old.numpy() != new.numpy())
    ]
    assert missing == []


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
