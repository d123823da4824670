"""Convolution and max-pooling down, up-sampling convolutions back."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_vae.config import BuildContext, ConvolutionalConfig
from keras_vae.distributions import DistributionLayer
from keras_vae.errors import UserError
from keras_vae.networks.network import Decoder, Encoder

__all__ = [
    "ConvolutionalDecoder",
    "ConvolutionalEncoder",
    "build",
    "check_divisible",
]


def check_divisible(image_shape: Sequence[int], num_halvings: int) -> None:
    """Raises UserError unless the image can be halved so many times."""
    factor = 2**num_halvings
    if image_shape[0] % factor or image_shape[1] % factor:
        raise UserError(
            f"`image_shape` must be divisible by {factor} in height and width "
            f"to be halved {num_halvings} times (one for each entry of "
            "`filters`): resize or pad the images, or use fewer filters. "
            f"Received: image_shape={tuple(image_shape)}"
        )


def _convolution(
    channels: int, activation: str | None, dtype: keras.DTypePolicy
) -> keras.layers.Layer:
    return keras.layers.Conv2D(
        channels, 3, padding="same", activation=activation, dtype=dtype
    )


@keras.saving.register_keras_serializable(package="keras_vae")
class ConvolutionalEncoder(Encoder):
    """3x3 convolutions and max-pooling, a dense layer, q(z|x).

    Args:
        distribution: Turns the last output into q(z|x).
        image_shape: (height, width, channels); height and width divide by 2
            to the power of the number of `filters`.
        filters: Channels of each convolution; each is followed by a 2x2
            max-pooling.
        dense_units: Width of the dense layer after the convolutions.
        activation: Name of a Keras activation.

    Raises:
        UserError: If the image cannot be halved once for each convolution.
    """

    def __init__(
        self,
        distribution: DistributionLayer,
        image_shape: tuple[int, int, int],
        filters: Sequence[int] = (32, 64),
        dense_units: int = 256,
        activation: str = "relu",
        **kwargs: Any,
    ):
        super().__init__(distribution, image_shape, **kwargs)
        check_divisible(image_shape, len(filters))
        self.filters = tuple(filters)
        self.dense_units = dense_units
        self.activation = activation
        dtype = self.dtype_policy
        self.stack = []
        for channels in self.filters:
            self.stack += [
                _convolution(channels, activation, dtype),
                keras.layers.MaxPooling2D(2, dtype=dtype),
            ]
        self.stack += [
            keras.layers.Flatten(dtype=dtype),
            keras.layers.Dense(dense_units, activation=activation, dtype=dtype),
            keras.layers.Dense(distribution.num_params, dtype=dtype),
        ]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "dense_units": self.dense_units,
            "activation": self.activation,
        }


@keras.saving.register_keras_serializable(package="keras_vae")
class ConvolutionalDecoder(Decoder):
    """Dense layers, then up-sampling (nearest) and 3x3 convolutions to p(x|z).

    Args:
        distribution: Turns the last output into p(x|z).
        latent_dim: Size of a latent vector.
        filters: Channels of each convolution of the encoder that this decoder
            mirrors: it runs through them from the last to the first.
        dense_units: Width of the dense layer before the convolutions.
        activation: Name of a Keras activation.

    Raises:
        UserError: If the image cannot be halved once for each convolution.
    """

    def __init__(
        self,
        distribution: DistributionLayer,
        latent_dim: int,
        filters: Sequence[int] = (32, 64),
        dense_units: int = 256,
        activation: str = "relu",
        **kwargs: Any,
    ):
        super().__init__(distribution, latent_dim, **kwargs)
        check_divisible(distribution.event_shape, len(filters))
        self.filters = tuple(filters)
        self.dense_units = dense_units
        self.activation = activation
        height, width, num_outputs = self.output_shape_per_image
        factor = 2 ** len(self.filters)
        small = (height // factor, width // factor, self.filters[-1])
        dtype = self.dtype_policy
        self.stack = [
            keras.layers.Dense(dense_units, activation=activation, dtype=dtype),
            keras.layers.Dense(
                math.prod(small), activation=activation, dtype=dtype
            ),
            keras.layers.Reshape(small, dtype=dtype),
        ]
        for channels in reversed(self.filters):
            self.stack += [
                keras.layers.UpSampling2D(2, dtype=dtype),
                _convolution(channels, activation, dtype),
            ]
        self.stack.append(_convolution(num_outputs, None, dtype))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "dense_units": self.dense_units,
            "activation": self.activation,
        }


def build(
    config: ConvolutionalConfig, context: BuildContext
) -> tuple[ConvolutionalEncoder, ConvolutionalDecoder]:
    """Returns the networks of a configuration."""
    assert context.latent_dim is not None
    sizes = (config.filters, config.dense_units)
    common: dict[str, Any] = {
        "activation": config.activation,
        "num_classes": context.num_classes,
    }
    return (
        ConvolutionalEncoder(
            context.posterior, context.image_shape, *sizes, **common
        ),
        ConvolutionalDecoder(
            context.likelihood, context.latent_dim, *sizes, **common
        ),
    )
