"""Fully connected encoder and decoder."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_vae.config import BuildContext, DenseConfig
from keras_vae.distributions import DistributionLayer
from keras_vae.networks.network import Decoder, Encoder

__all__ = ["DenseDecoder", "DenseEncoder", "build"]


def _hidden(
    units: Sequence[int], activation: str, dtype: keras.DTypePolicy
) -> list[keras.layers.Layer]:
    return [
        keras.layers.Dense(n, activation=activation, dtype=dtype) for n in units
    ]


@keras.saving.register_keras_serializable(package="keras_vae")
class DenseEncoder(Encoder):
    """Flattened images through dense layers to q(z|x).

    Args:
        distribution: Turns the last output into q(z|x).
        image_shape: (height, width, channels).
        hidden_units: Width of each hidden layer, from the image on.
        activation: Name of a Keras activation.

    Example:
        >>> encoder = DenseEncoder(MultivariateNormalDiag(16), (28, 28, 1))
        >>> encoder(tf.zeros([2, 28, 28, 1])).sample(seed=0).shape
        TensorShape([2, 16])
    """

    def __init__(
        self,
        distribution: DistributionLayer,
        image_shape: tuple[int, int, int],
        hidden_units: Sequence[int] = (512,),
        activation: str = "relu",
        **kwargs: Any,
    ):
        super().__init__(distribution, image_shape, **kwargs)
        self.hidden_units = tuple(hidden_units)
        self.activation = activation
        dtype = self.dtype_policy
        self.stack = [
            keras.layers.Flatten(dtype=dtype),
            *_hidden(self.hidden_units, activation, dtype),
            keras.layers.Dense(distribution.num_params, dtype=dtype),
        ]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "activation": self.activation,
        }


@keras.saving.register_keras_serializable(package="keras_vae")
class DenseDecoder(Decoder):
    """Latents through dense layers to p(x|z).

    Args:
        distribution: Turns the last output into p(x|z).
        latent_dim: Size of a latent vector.
        hidden_units: Width of each hidden layer, from the latent on.
        activation: Name of a Keras activation.
    """

    def __init__(
        self,
        distribution: DistributionLayer,
        latent_dim: int,
        hidden_units: Sequence[int] = (512,),
        activation: str = "relu",
        **kwargs: Any,
    ):
        super().__init__(distribution, latent_dim, **kwargs)
        self.hidden_units = tuple(hidden_units)
        self.activation = activation
        shape, dtype = self.output_shape_per_image, self.dtype_policy
        self.stack = [
            *_hidden(self.hidden_units, activation, dtype),
            keras.layers.Dense(math.prod(shape), dtype=dtype),
            keras.layers.Reshape(shape, dtype=dtype),
        ]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "activation": self.activation,
        }


def build(
    config: DenseConfig, context: BuildContext
) -> tuple[DenseEncoder, DenseDecoder]:
    """Returns the networks of a configuration."""
    assert context.latent_dim is not None
    common: dict[str, Any] = {
        "activation": config.activation,
        "num_classes": context.num_classes,
    }
    encoder = DenseEncoder(
        context.posterior, context.image_shape, config.hidden_units, **common
    )
    units = tuple(reversed(config.hidden_units))
    decoder = DenseDecoder(
        context.likelihood, context.latent_dim, units, **common
    )
    return encoder, decoder
