"""Small networks of every kind, for the tests."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vae.distributions import (
    DistributionLayer,
    IndependentBernoulli,
    MultivariateNormalDiag,
)
from keras_vae.networks import (
    ConvolutionalDecoder,
    ConvolutionalEncoder,
    Decoder,
    DenseDecoder,
    DenseEncoder,
    Encoder,
    ResidualDecoder,
    ResidualEncoder,
)

__all__ = [
    "DECODERS",
    "ENCODERS",
    "IMAGE",
    "LATENT_DIM",
    "as_float32",
    "features",
    "seeded",
    "shapes",
]

IMAGE = (8, 4, 2)
LATENT_DIM = 3

_SCALES: dict[str, Any] = {"filters": (4, 6), "dense_units": 5}
_ENCODERS: dict[str, Any] = {
    "dense": (DenseEncoder, {"hidden_units": (6, 5)}),
    "convolutional": (ConvolutionalEncoder, _SCALES),
    "residual": (ResidualEncoder, {**_SCALES, "num_blocks": (1, 2)}),
}
_DECODERS: dict[str, Any] = {
    "dense": (DenseDecoder, {"hidden_units": (5, 6)}),
    "convolutional": (ConvolutionalDecoder, _SCALES),
    "residual": (ResidualDecoder, {**_SCALES, "num_blocks": (1, 2)}),
}


def seeded(
    make: Callable[..., keras.layers.Layer], *args: Any, **kwargs: Any
) -> keras.layers.Layer:
    """Returns `make(...)` with the same initial weights each time."""
    keras.utils.set_random_seed(0)
    return make(*args, **kwargs)


def _encoder(name: str) -> Callable[..., Encoder]:
    def make(**kwargs: Any) -> Encoder:
        network, sizes = _ENCODERS[name]
        posterior = MultivariateNormalDiag(LATENT_DIM)
        # Not relu: a dead unit would be taken for a missing gradient.
        options = {"activation": "tanh", **sizes, **kwargs}
        return seeded(network, posterior, IMAGE, **options)

    return make


def _decoder(name: str) -> Callable[..., Decoder]:
    def make(
        likelihood: DistributionLayer | None = None, **kwargs: Any
    ) -> Decoder:
        network, sizes = _DECODERS[name]
        likelihood = likelihood or IndependentBernoulli(IMAGE)
        options = {"activation": "tanh", **sizes, **kwargs}
        return seeded(network, likelihood, LATENT_DIM, **options)

    return make


ENCODERS = {name: _encoder(name) for name in _ENCODERS}
DECODERS = {name: _decoder(name) for name in _DECODERS}


def shapes(network, inputs):
    """Returns the shape after each layer of a network."""
    network.build()
    result = []
    for layer in network.stack:
        inputs = layer(inputs)
        result.append(tuple(inputs.shape))
    return result


def features(*shape, seed=0):
    """Returns normal noise, float32."""
    random = np.random.default_rng(seed)
    return random.normal(size=shape).astype(np.float32)


def as_float32(x):
    """Returns a tensor in float32, whatever it was."""
    return tf.cast(x, tf.float32)
