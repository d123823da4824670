"""Bottleneck residual blocks without normalisation: the default networks.

They work at half the image's resolution and below: the first layer moves each
2x2 patch into the channels, the last one moves the channels back, which on CPUs
is several times cheaper than convolutions at full resolution and loses nothing.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_vae.config import BuildContext, ResidualConfig
from keras_vae.distributions import DistributionLayer
from keras_vae.errors import UserError
from keras_vae.networks.convolutional import check_divisible
from keras_vae.networks.network import Decoder, Encoder
from keras_vae.networks.pointwise import Convolution

__all__ = ["ResidualBlock", "ResidualDecoder", "ResidualEncoder", "build"]

TO_DENSE_CHANNELS = 16  # of the maps where they become a vector


@keras.saving.register_keras_serializable(package="keras_vae")
class SpaceToDepth(keras.layers.Layer):
    """Moves 2x2 patches into the channels: [B, 2h, 2w, c] to [B, h, w, 4c]."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.space_to_depth(x, 2)

    def compute_output_shape(self, shape: Any) -> Any:
        return (shape[0], shape[1] // 2, shape[2] // 2, shape[3] * 4)


@keras.saving.register_keras_serializable(package="keras_vae")
class DepthToSpace(keras.layers.Layer):
    """Moves channels into 2x2 patches: [B, h, w, 4c] to [B, 2h, 2w, c]."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.depth_to_space(x, 2)

    def compute_output_shape(self, shape: Any) -> Any:
        return (shape[0], shape[1] * 2, shape[2] * 2, shape[3] // 4)


@keras.saving.register_keras_serializable(package="keras_vae")
class ResidualBlock(keras.layers.Layer):
    """x + 1x1(act(3x3(act(1x1(x))))), a bottleneck without normalisation.

    Args:
        filters: Channels of input and output.
        bottleneck: Channels of the 3x3 convolution.
        activation: Name of a Keras activation.
        gain: Scale of the last convolution's initial weights. With N blocks in
            a row, about `0.7 / sqrt(N)` keeps the variance of the sum near
            that of the input (Child 2021, Very Deep VAEs, section 3).
    """

    def __init__(
        self,
        filters: int,
        bottleneck: int,
        activation: str = "elu",
        gain: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.bottleneck = bottleneck
        self.activation = activation
        self.gain = gain
        dtype = self.dtype_policy
        self.reduce = Convolution(
            bottleneck, 1, activation=activation, dtype=dtype
        )
        self.mix = Convolution(
            bottleneck, 3, padding="same", activation=activation, dtype=dtype
        )
        self.expand = Convolution(
            filters,
            1,
            dtype=dtype,
            kernel_initializer=keras.initializers.VarianceScaling(
                gain**2, "fan_avg", "uniform"
            ),
        )

    def build(self, input_shape: Any) -> None:
        self.reduce.build(input_shape)
        inner = (*input_shape[:-1], self.bottleneck)
        self.mix.build(inner)
        self.expand.build(inner)
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x + self.expand(self.mix(self.reduce(x)))

    def compute_output_shape(self, shape: Any) -> Any:
        return shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "bottleneck": self.bottleneck,
            "activation": self.activation,
            "gain": self.gain,
        }


def _check_blocks(filters: Sequence[int], num_blocks: Sequence[int]) -> None:
    if len(filters) != len(num_blocks):
        raise UserError(
            "`filters` and `num_blocks` must have one entry for each scale. "
            f"Received: filters={tuple(filters)}, "
            f"num_blocks={tuple(num_blocks)}"
        )


def _blocks(
    filters: int,
    count: int,
    total: int,
    activation: str,
    dtype: keras.DTypePolicy,
) -> list[keras.layers.Layer]:
    gain = 0.7 / math.sqrt(max(total, 1))
    return [
        ResidualBlock(filters, filters // 2, activation, gain, dtype=dtype)
        for _ in range(count)
    ]


@keras.saving.register_keras_serializable(package="keras_vae")
class ResidualEncoder(Encoder):
    """Residual blocks at 1/2, 1/4, ... of the resolution, then q(z|x).

    Args:
        distribution: Turns the last output into q(z|x).
        image_shape: (height, width, channels); height and width divide by 2
            to the power of the number of scales.
        filters: Channels at each scale, the highest resolution first.
        num_blocks: Residual blocks at each scale.
        dense_units: Width of the dense layer before the posterior.
        activation: Name of a Keras activation.

    Raises:
        UserError: If the image does not divide, or the lists differ in length.
    """

    def __init__(
        self,
        distribution: DistributionLayer,
        image_shape: tuple[int, int, int],
        filters: Sequence[int] = (16, 64),
        num_blocks: Sequence[int] = (1, 2),
        dense_units: int = 256,
        activation: str = "elu",
        **kwargs: Any,
    ):
        _check_blocks(filters, num_blocks)
        super().__init__(distribution, image_shape, **kwargs)
        check_divisible(image_shape, len(filters))
        self.filters = tuple(filters)
        self.num_blocks = tuple(num_blocks)
        self.dense_units = dense_units
        self.activation = activation
        total, dtype = sum(self.num_blocks), self.dtype_policy
        self.stack = [SpaceToDepth(dtype=dtype)]
        for scale, channels in enumerate(self.filters):
            count = self.num_blocks[scale]
            size: dict[str, Any] = {"kernel_size": 2, "strides": 2}
            if scale == 0:
                size = {"kernel_size": 3, "padding": "same"}
            self.stack += [
                Convolution(
                    channels, **size, activation=activation, dtype=dtype
                ),
                *_blocks(channels, count, total, activation, dtype),
            ]
        self.stack += [
            Convolution(TO_DENSE_CHANNELS, 1, dtype=dtype),
            keras.layers.Flatten(dtype=dtype),
            keras.layers.Dense(dense_units, activation=activation, dtype=dtype),
            keras.layers.Dense(distribution.num_params, dtype=dtype),
        ]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "num_blocks": self.num_blocks,
            "dense_units": self.dense_units,
            "activation": self.activation,
        }


@keras.saving.register_keras_serializable(package="keras_vae")
class ResidualDecoder(Decoder):
    """Dense layers, then residual blocks up to 1/2 of the resolution, p(x|z).

    Args:
        distribution: Turns the last output into p(x|z).
        latent_dim: Size of a latent vector.
        filters: Channels at each scale, the highest resolution first, as in
            the encoder: the decoder runs through them from the last.
        num_blocks: Residual blocks at each scale, in the same order.
        dense_units: Width of the dense layer after the latent.
        activation: Name of a Keras activation.

    Raises:
        UserError: If the image does not divide, or the lists differ in length.
    """

    def __init__(
        self,
        distribution: DistributionLayer,
        latent_dim: int,
        filters: Sequence[int] = (16, 64),
        num_blocks: Sequence[int] = (1, 2),
        dense_units: int = 256,
        activation: str = "elu",
        **kwargs: Any,
    ):
        _check_blocks(filters, num_blocks)
        super().__init__(distribution, latent_dim, **kwargs)
        check_divisible(distribution.event_shape, len(filters))
        self.filters = tuple(filters)
        self.num_blocks = tuple(num_blocks)
        self.dense_units = dense_units
        self.activation = activation
        height, width, num_outputs = self.output_shape_per_image
        factor = 2 ** len(self.filters)
        small = (height // factor, width // factor, TO_DENSE_CHANNELS)
        total, dtype = sum(self.num_blocks), self.dtype_policy
        self.stack = [
            keras.layers.Dense(dense_units, activation=activation, dtype=dtype),
            keras.layers.Dense(
                math.prod(small), activation=activation, dtype=dtype
            ),
            keras.layers.Reshape(small, dtype=dtype),
        ]
        for scale in reversed(range(len(self.filters))):
            channels, count = self.filters[scale], self.num_blocks[scale]
            if scale == len(self.filters) - 1:
                self.stack.append(Convolution(channels, 1, dtype=dtype))
            else:
                self.stack += [
                    Convolution(4 * channels, 1, dtype=dtype),
                    DepthToSpace(dtype=dtype),
                ]
            self.stack += _blocks(channels, count, total, activation, dtype)
        self.stack += [
            keras.layers.Activation(activation, dtype=dtype),
            Convolution(4 * num_outputs, 3, padding="same", dtype=dtype),
            DepthToSpace(dtype=dtype),
        ]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "num_blocks": self.num_blocks,
            "dense_units": self.dense_units,
            "activation": self.activation,
        }


def build(
    config: ResidualConfig, context: BuildContext
) -> tuple[ResidualEncoder, ResidualDecoder]:
    """Returns the networks of a configuration."""
    assert context.latent_dim is not None
    sizes = (config.filters, config.num_blocks, config.dense_units)
    common: dict[str, Any] = {
        "activation": config.activation,
        "num_classes": context.num_classes,
    }
    return (
        ResidualEncoder(
            context.posterior, context.image_shape, *sizes, **common
        ),
        ResidualDecoder(
            context.likelihood, context.latent_dim, *sizes, **common
        ),
    )
