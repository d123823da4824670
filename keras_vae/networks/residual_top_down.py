"""The top-down network of a deep hierarchy of dense convolutions.

Each group adds to the stream what its prior path has worked out and its latent,
drawn white and scaled by the prior path: the same as a Gaussian prior with a
learned scale, and a KL against N(0, I).

References:
    Child (2021), Very Deep VAEs Generalize Autoregressive Models; Hazami et al.
    (2022), Efficient-VDVAE; Sonderby et al. (2016), Ladder Variational
    Autoencoders.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.config import check_number
from keras_vae.distributions import DistributionLayer
from keras_vae.distributions.white_noise import standard_normal
from keras_vae.errors import UserError
from keras_vae.networks.convolutional import check_divisible
from keras_vae.networks.hierarchy import Stage, TopDownDecoder
from keras_vae.networks.layer_list import build_layers
from keras_vae.networks.likelihood_output import add_output_bias, params_shape
from keras_vae.networks.network import build_distribution
from keras_vae.networks.pointwise import Convolution
from keras_vae.networks.residual import (
    TO_DENSE_CHANNELS,
    DepthToSpace,
    ResidualBlock,
)
from keras_vae.networks.residual_bottom_up import GAIN, check_scales
from keras_vae.networks.top_down_block import TopDownBlock, bounded_normal

__all__ = ["ResidualTopDown"]

_UPSAMPLING = ("nearest", "depth_to_space")


@keras.saving.register_keras_serializable(package="keras_vae")
class ResidualTopDown(TopDownDecoder):
    """Dense latents on top, then `TopDownBlock`s up to half the resolution.

    The top latent becomes a stream of `dense_units` numbers, to which each
    dense group adds, and this one a stream of maps. The dense groups take
    2 % of the multiplications by default.

    Args:
        distribution: Turns the last output into p(x|z).
        filters: Channels at each scale, the highest resolution first, as in
            the encoder: the decoder runs through them from the last.
        bottlenecks: Channels of the 3x3 convolutions, in the same order.
        num_blocks: Residual blocks after the groups of each scale.
        num_groups: Latent groups at each scale.
        latent_channels: Channels of each of these groups.
        top_latent_dim: Size of the dense latent on top.
        dense_units: Width of the dense stream after it; as in the encoder.
        dense_groups: Latent groups on this stream; as in the encoder.
        dense_bottleneck: Width of their layers; as in the encoder.
        dense_latent_dim: Size of each one's latent.
        activation: Name of a Keras activation.
        upsampling: `nearest` (with a learned bias for each position) or
            `depth_to_space`.

    Raises:
        UserError: If the image does not divide, or the lists differ in length.
    """

    def __init__(
        self,
        distribution: DistributionLayer,
        filters: Sequence[int] = (32, 96),
        bottlenecks: Sequence[int] = (16, 32),
        num_blocks: Sequence[int] = (2, 0),
        num_groups: Sequence[int] = (0, 5),
        latent_channels: int = 8,
        top_latent_dim: int = 32,
        dense_units: int = 256,
        dense_groups: int = 4,
        dense_bottleneck: int = 64,
        dense_latent_dim: int = 16,
        activation: str = "elu",
        upsampling: str = "depth_to_space",
        **kwargs: Any,
    ):
        check_scales(
            filters=filters,
            bottlenecks=bottlenecks,
            num_blocks=num_blocks,
            num_groups=num_groups,
        )
        check_number("dense_groups", dense_groups, 0, whole=True)
        if upsampling not in _UPSAMPLING:
            raise UserError(
                f"`upsampling` must be one of {_UPSAMPLING}. "
                f"Received: upsampling={upsampling!r}"
            )
        height, width, _ = distribution.event_shape
        check_divisible(distribution.event_shape, len(filters))
        sizes = [
            (height // 2 ** (s + 1), width // 2 ** (s + 1))
            for s in range(len(filters))
        ]
        shapes: list[tuple[int, ...]] = [
            (top_latent_dim,),
            *[(dense_latent_dim,)] * dense_groups,
        ]
        for scale in reversed(range(len(filters))):
            shapes += [(*sizes[scale], latent_channels)] * num_groups[scale]
        super().__init__(distribution, tuple(shapes), **kwargs)
        self.filters = tuple(filters)
        self.bottlenecks = tuple(bottlenecks)
        self.num_blocks = tuple(num_blocks)
        self.num_groups = tuple(num_groups)
        self.latent_channels = latent_channels
        self.top_latent_dim = top_latent_dim
        self.dense_units = dense_units
        self.dense_groups = dense_groups
        self.dense_bottleneck = dense_bottleneck
        self.dense_latent_dim = dense_latent_dim
        self.activation = activation
        self.upsampling = upsampling
        self._sizes = sizes
        self._make_layers()

    def _make_layers(self) -> None:
        dtype = self.dtype_policy
        small = (*self._sizes[-1], TO_DENSE_CHANNELS)
        self._top_posterior = keras.layers.Dense(
            2 * self.top_latent_dim, dtype=dtype
        )
        self._from_top = keras.layers.Dense(
            self.dense_units, activation=self.activation, dtype=dtype
        )
        self._dense_groups = [
            TopDownBlock(
                self.dense_units,
                self.dense_bottleneck,
                self.dense_latent_dim,
                self.activation,
                GAIN / math.sqrt(self.dense_groups),
                dense=True,
                dtype=dtype,
            )
            for _ in range(self.dense_groups)
        ]
        self._to_map = [
            keras.layers.Dense(
                math.prod(small), activation=self.activation, dtype=dtype
            ),
            keras.layers.Reshape(small, dtype=dtype),
            Convolution(self.filters[-1], 1, dtype=dtype),
        ]
        count = max(sum(self.num_blocks) + sum(self.num_groups), 1)
        gain = GAIN / math.sqrt(count)
        scales = range(len(self.filters))
        self._groups = [self._scale_groups(s, gain) for s in scales]
        self._blocks = [self._scale_blocks(s, gain) for s in scales]
        self._up = [self._upsampling(s) for s in scales[:-1]]
        self._output = [
            keras.layers.Activation(self.activation, dtype=dtype),
            Convolution(
                4 * params_shape(self.distribution)[-1],
                3,
                padding="same",
                dtype=dtype,
            ),
            DepthToSpace(dtype=dtype),
        ]

    def _scale_groups(self, scale: int, gain: float) -> list[TopDownBlock]:
        return [
            TopDownBlock(
                self.filters[scale],
                self.bottlenecks[scale],
                self.latent_channels,
                self.activation,
                gain,
                dtype=self.dtype_policy,
            )
            for _ in range(self.num_groups[scale])
        ]

    def _scale_blocks(self, scale: int, gain: float) -> list[ResidualBlock]:
        return [
            ResidualBlock(
                self.filters[scale],
                self.bottlenecks[scale],
                self.activation,
                gain,
                dtype=self.dtype_policy,
            )
            for _ in range(self.num_blocks[scale])
        ]

    def _upsampling(self, scale: int) -> list[keras.layers.Layer]:
        """Returns what leads from the scale below to this one."""
        filters, dtype = self.filters[scale], self.dtype_policy
        if self.upsampling == "depth_to_space":
            return [
                Convolution(4 * filters, 1, dtype=dtype),
                DepthToSpace(dtype=dtype),
            ]
        return [
            Convolution(filters, 1, dtype=dtype),
            keras.layers.UpSampling2D(2, dtype=dtype),
        ]

    def build(self, input_shape: Any = None) -> None:
        add_output_bias(self)
        self._bias_maps = [
            self.add_weight(
                name=f"bias_map_{scale}",
                shape=(*self._sizes[scale], self.filters[scale]),
                initializer="zeros",
            )
            for scale in self._scales_with_bias()
        ]
        self._top_posterior.build((None, self.dense_units))
        self._from_top.build((None, self.top_latent_dim + self.num_classes))
        stream = (None, self.dense_units)
        for group in self._dense_groups:
            group.build(stream)
        build_layers(self._to_map, stream)
        for scale in reversed(range(len(self.filters))):
            shape = (None, *self._sizes[scale], self.filters[scale])
            if scale < len(self.filters) - 1:
                below = (None, *self._sizes[scale + 1], self.filters[scale + 1])
                build_layers(self._up[scale], below)
            layers: list[keras.layers.Layer] = [
                *self._groups[scale],
                *self._blocks[scale],
            ]
            for layer in layers:
                layer.build(shape)
        build_layers(self._output, shape)
        build_distribution(self, (None, *params_shape(self.distribution)))

    def _scales_with_bias(self) -> list[int]:
        last = len(self.filters) - 1
        return list(range(last + 1)) if self.upsampling == "nearest" else [last]

    def start(self, rows: tf.Tensor, classes: tf.Tensor | None) -> tf.Tensor:
        return tf.zeros([rows, 0]) if classes is None else classes

    def stages(self) -> list[Stage]:
        top = _TopVector(
            self._top_posterior, self._from_top, self.top_latent_dim
        )
        stages = [Stage(top, [])]
        stages += [Stage(block, []) for block in self._dense_groups]
        stages[-1].layers.extend(self._to_map)
        for scale in reversed(range(len(self.filters))):
            stages[-1].layers.extend(self._way_to(scale))
            stages += [Stage(block, []) for block in self._groups[scale]]
            stages[-1].layers.extend(self._blocks[scale])
        stages[-1].layers.extend(self._output)
        return stages

    def _way_to(self, scale: int) -> list[Callable[..., tf.Tensor]]:
        """Returns the layers from the scale below, or the vectors, to this."""
        layers: list[Callable[..., tf.Tensor]] = []
        if scale < len(self.filters) - 1:
            layers += self._up[scale]
        if scale in self._scales_with_bias():
            position = self._scales_with_bias().index(scale)
            layers.append(functools.partial(_add, self._bias_maps[position]))
        return layers

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        names = (
            "filters",
            "bottlenecks",
            "num_blocks",
            "num_groups",
            "latent_channels",
            "top_latent_dim",
            "dense_units",
            "dense_groups",
            "dense_bottleneck",
            "dense_latent_dim",
            "activation",
            "upsampling",
        )
        return {**config, **{name: getattr(self, name) for name in names}}


def _add(
    bias: keras.Variable, x: tf.Tensor, training: bool = False
) -> tf.Tensor:
    return x + tf.cast(bias, x.dtype)


class _TopVector(NamedTuple):
    """The top group: p(z) = N(0, I), merged with the class, if any."""

    posterior_head: keras.layers.Layer
    from_latent: keras.layers.Layer
    latent_dim: int
    flow: None = None

    def read(self, x: tf.Tensor) -> tf.Tensor:
        return x

    def prior(self, x: tf.Tensor) -> tfd.Distribution:
        return standard_normal(tf.zeros([tf.shape(x)[0], self.latent_dim]))

    def posterior(self, x: tf.Tensor, feature: tf.Tensor) -> tfd.Distribution:
        return bounded_normal(self.posterior_head(feature))

    def merge(self, x: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        return self.from_latent(tf.concat([z, tf.cast(x, z.dtype)], axis=-1))
