"""Every public layer of keras_vae.flows conforms."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import flows
from tests.conformance import run_layer_conformance

SIZE = 3


def flow_tensors(q):
    u = q.base.loc + q.base.scale.matvec(tf.constant([0.3, -1.0, 0.5]))
    z, log_slope = q.push(u)
    return {
        "z": z,
        "log_slope": log_slope,
        "log_prob": q.log_prob([0.1, -1.0, 1.0]),
    }


def as_they_are(outputs):
    return outputs


CASES = {
    "network": (
        lambda: flows.AutoregressiveNetwork(SIZE, (8, 6)),
        as_they_are,
        SIZE,
    ),
    "step": (
        lambda: flows.InverseAutoregressiveStep(SIZE, (8,)),
        as_they_are,
        SIZE,
    ),
    "inverse_autoregressive_flow": (
        lambda: flows.InverseAutoregressiveFlow(SIZE, 2, (8,), 4),
        flow_tensors,
        2 * SIZE + 4,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_layer_conforms(case):
    make, to_tensors, size = CASES[case]

    def seeded():
        keras.utils.set_random_seed(0)
        layer = make()
        layer.build((None, size))
        return layer

    inputs = np.random.default_rng(0).normal(size=(6, size))
    run_layer_conformance(
        seeded, lambda: inputs.astype(np.float32), to_tensors, atol=1e-4
    )


def test_every_public_class_is_in_the_list():
    covered = {type(make()) for make, _, _ in CASES.values()}
    public = {getattr(flows, name) for name in flows.__all__}
    # No layer: what one of them returns.
    assert public - covered == {flows.FlowDistribution}


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
