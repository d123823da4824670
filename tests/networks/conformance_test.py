"""Every public network of keras_vae.networks conforms."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import networks
from keras_vae.distributions import DistributionLayer
from tests.conformance import run_layer_conformance
from tests.networks.cases import DECODERS, ENCODERS, IMAGE, LATENT_DIM, seeded


def posterior_tensors(qz: Any) -> dict[str, tf.Tensor]:
    return {"mean": qz.mean(), "stddev": qz.stddev()}


def likelihood_tensors(px: Any) -> dict[str, tf.Tensor]:
    return {"mean": px.mean(), "log_prob": px.log_prob(tf.ones(IMAGE))}


def same_tensor(x: tf.Tensor) -> tf.Tensor:
    # The block's own output may be bfloat16; only models promise float32.
    return tf.cast(x, tf.float32)


def same_tensors(features: list[tf.Tensor]) -> list[tf.Tensor]:
    return [tf.cast(feature, tf.float32) for feature in features]


# Their posteriors take part in a model only: tests/models/conformance_test.py.
TOP_DOWN = {networks.ResidualTopDown, networks.TopDownBlock}
BASES = {
    networks.BottomUpEncoder,
    networks.Decoder,
    networks.Encoder,
    networks.TopDownDecoder,
}

CASES: dict[str, tuple[Any, tuple[int, ...], Any]] = {
    **{
        f"{name}_encoder": (make, IMAGE, posterior_tensors)
        for name, make in ENCODERS.items()
    },
    **{
        f"{name}_decoder": (make, (LATENT_DIM,), likelihood_tensors)
        for name, make in DECODERS.items()
    },
    "bottom_up": (
        lambda: seeded(
            networks.ResidualBottomUp,
            IMAGE,
            filters=(4, 6),
            bottlenecks=(3, 4),
            num_blocks=(1, 1),
            num_groups=(1, 1),
            dense_units=5,
            dense_groups=1,
            activation="tanh",
        ),
        IMAGE,
        same_tensors,
    ),
    "residual_block": (
        lambda: seeded(networks.ResidualBlock, 4, 2, gain=0.5),
        (4, 4, 4),
        same_tensor,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_network_conforms(case):
    make, shape, to_tensors = CASES[case]
    random = np.random.default_rng(0)
    inputs = random.uniform(size=(4, *shape)).astype(np.float32)
    run_layer_conformance(make, lambda: inputs, to_tensors)


@pytest.mark.parametrize("case", CASES)
def test_a_configuration_keeps_its_precision(case):
    network = CASES[case][0]()
    config = network.get_config()
    for policy in ("mixed_bfloat16", "float32"):
        config["dtype"] = policy
        copy = type(network).from_config(config)
        policies = {
            layer.dtype_policy.name
            for layer in copy._flatten_layers()
            if not isinstance(layer, DistributionLayer)  # Always float32.
        }
        assert policies == {policy}


def test_every_public_network_is_in_the_list():
    covered = {type(make()) for make, _, _ in CASES.values()}
    public = {getattr(networks, name) for name in networks.__all__}
    assert all(issubclass(layer, keras.layers.Layer) for layer in public)
    assert public - covered == BASES | TOP_DOWN


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
