"""Networks of pixels in an order, small and with the same weights each time."""

from typing import Any

import keras

from keras_vae.distributions import (
    DiscretizedLogisticMixture,
    DistributionLayer,
    IndependentBernoulli,
)
from keras_vae.networks.autoregressive import PixelCNN

__all__ = ["binary", "levels", "make"]


def make(distribution: DistributionLayer, **settings: Any) -> PixelCNN:
    """Returns a network whose every weight, the biases too, has a say."""
    keras.utils.set_random_seed(1)
    sizes = {"filters": 6, "num_blocks": 3, "first_rows": 2, "head_units": 8}
    network = PixelCNN(distribution, **{**sizes, **settings})
    network.build()
    for variable in network.trainable_variables:
        noise = keras.random.normal(variable.shape, stddev=0.4)
        variable.assign_add(noise)
    return network


def binary(*shape: int, **settings: Any) -> PixelCNN:
    """Returns a network of binary images `shape`."""
    return make(IndependentBernoulli(shape), **settings)


def levels(*shape: int, **settings: Any) -> PixelCNN:
    """Returns a network of images of four levels."""
    mixture = DiscretizedLogisticMixture(shape, num_components=2, num_bits=2)
    return make(mixture, **settings)
