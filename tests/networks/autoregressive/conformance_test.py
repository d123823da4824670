"""Every public layer and network of pixels in an order conforms."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.networks import autoregressive
from tests.conformance import run_layer_conformance
from tests.networks.autoregressive.cases import binary, levels

_IMAGE = (4, 4, 3)


def _seeded(layer: type, *args: Any) -> Any:
    keras.utils.set_random_seed(0)
    return layer(*args)


def float_tensors(outputs: Any) -> Any:
    # A layer's own may be bfloat16; only networks promise float32.
    return tf.nest.map_structure(lambda x: tf.cast(x, tf.float32), outputs)


def conditional_tensors(likelihood: Any) -> dict[str, tf.Tensor]:
    image = tf.ones(_IMAGE)
    return {"mean": likelihood.mean(), "log_prob": likelihood.log_prob(image)}


_CASES = {
    "causal_convolution": (
        lambda: _seeded(autoregressive.CausalConvolution, 4, (2, 3), 1),
        float_tensors,
    ),
    "pixel_cnn": (lambda: binary(*_IMAGE), conditional_tensors),
    "pixel_cnn_of_levels": (lambda: levels(*_IMAGE), conditional_tensors),
}


@pytest.mark.parametrize("case", _CASES)
def test_conforms(case):
    make, to_tensors = _CASES[case]
    random = np.random.default_rng(0)
    inputs = random.uniform(size=(4, *_IMAGE)).astype(np.float32)
    run_layer_conformance(make, lambda: inputs, to_tensors)


def test_parts_are_in_a_network():
    """A block and a head take two inputs, and are tested as parts."""
    network = binary(*_IMAGE)
    covered = {
        autoregressive.CausalConvolution,
        *map(type, (network, *network.blocks, network.head)),
    }
    assert covered == {
        getattr(autoregressive, name) for name in autoregressive.__all__
    }


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
