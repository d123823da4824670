"""The bottom-up network of a deep hierarchy of dense convolutions.

Bottleneck residual blocks without normalisation and without depthwise
convolutions, all at half the image's resolution and below; for CPUs and small
GPUs. One feature per resolution is shared among the latent groups at it.

References:
    Child (2021), Very Deep VAEs Generalize Autoregressive Models; Hazami et al.
    (2022), Efficient-VDVAE.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_vae.config import check_number
from keras_vae.errors import UserError
from keras_vae.networks.conditioning import (
    build_class_picture,
    with_class_picture,
)
from keras_vae.networks.convolutional import check_divisible
from keras_vae.networks.hierarchy import BottomUpEncoder
from keras_vae.networks.layer_list import build_layers, run_layers
from keras_vae.networks.pointwise import Convolution
from keras_vae.networks.residual import (
    TO_DENSE_CHANNELS,
    ResidualBlock,
    SpaceToDepth,
)

__all__ = ["GAIN", "ResidualBottomUp", "check_scales"]

GAIN = 0.7  # of N residual branches together; each has GAIN / sqrt(N)


def check_scales(**sizes: Sequence[int]) -> None:
    """Raises UserError unless the lists have one length and are of sizes."""
    if len({len(values) for values in sizes.values()}) > 1:
        names = ", ".join(f"`{name}`" for name in sizes)
        received = ", ".join(f"{k}={tuple(v)}" for k, v in sizes.items())
        raise UserError(
            f"{names} must have one entry for each scale. Received: {received}"
        )
    least = {"filters": 1, "bottlenecks": 1}
    for name, values in sizes.items():
        for scale, value in enumerate(values):
            low = least.get(name, 0)
            check_number(f"{name}[{scale}]", value, low, whole=True)


@keras.saving.register_keras_serializable(package="keras_vae")
class ResidualBottomUp(BottomUpEncoder):
    """Residual blocks at 1/2, 1/4, ... of the resolution, features for groups.

    Args:
        image_shape: (height, width, channels); height and width divide by 2
            to the power of the number of scales.
        filters: Channels at each scale, the highest resolution first.
        bottlenecks: Channels of the 3x3 convolutions at each scale.
        num_blocks: Residual blocks at each scale.
        num_groups: Convolutional latent groups at each scale.
        dense_units: Size of the top group's feature.
        dense_groups: Dense latent groups below the top one.
        dense_bottleneck: Size of their features.
        activation: Name of a Keras activation.

    Raises:
        UserError: If the image does not divide, or the lists differ in length.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        filters: Sequence[int] = (32, 96),
        bottlenecks: Sequence[int] = (16, 32),
        num_blocks: Sequence[int] = (1, 3),
        num_groups: Sequence[int] = (0, 5),
        dense_units: int = 256,
        dense_groups: int = 4,
        dense_bottleneck: int = 64,
        activation: str = "elu",
        **kwargs: Any,
    ):
        check_scales(
            filters=filters,
            bottlenecks=bottlenecks,
            num_blocks=num_blocks,
            num_groups=num_groups,
        )
        check_number("dense_groups", dense_groups, 0, whole=True)
        super().__init__(image_shape, **kwargs)
        check_divisible(image_shape, len(filters))
        self.filters = tuple(filters)
        self.bottlenecks = tuple(bottlenecks)
        self.num_blocks = tuple(num_blocks)
        self.num_groups = tuple(num_groups)
        self.dense_units = dense_units
        self.dense_groups = dense_groups
        self.dense_bottleneck = dense_bottleneck
        self.activation = activation
        self._to_depth = SpaceToDepth(dtype=self.dtype_policy)
        gain = GAIN / math.sqrt(max(sum(self.num_blocks), 1))
        self._scales = [self._scale(s, gain) for s in range(len(filters))]
        dtype = self.dtype_policy
        self._features = [
            Convolution(count * size, 1, dtype=dtype) if count else None
            for count, size in zip(num_groups, bottlenecks, strict=True)
        ]
        self._top = [
            Convolution(TO_DENSE_CHANNELS, 1, dtype=dtype),
            keras.layers.Flatten(dtype=dtype),
            keras.layers.Dense(dense_units, activation=activation, dtype=dtype),
        ]
        self._dense_features = None
        if dense_groups:
            self._dense_features = keras.layers.Dense(
                dense_groups * dense_bottleneck, dtype=dtype
            )

    def _scale(self, scale: int, gain: float) -> list[keras.layers.Layer]:
        filters = self.filters[scale]
        size, strides = (3, 1) if scale == 0 else (2, 2)
        first = Convolution(
            filters,
            size,
            strides,
            padding="same",
            activation=self.activation,
            dtype=self.dtype_policy,
        )
        return [
            first,
            *(
                ResidualBlock(
                    filters,
                    self.bottlenecks[scale],
                    self.activation,
                    gain,
                    dtype=self.dtype_policy,
                )
                for _ in range(self.num_blocks[scale])
            ),
        ]

    def build(self, input_shape: Any = None) -> None:
        shape: Any = (None, *build_class_picture(self))
        shape = self._to_depth.compute_output_shape(shape)
        for layers, feature in zip(self._scales, self._features, strict=True):
            shape = build_layers(layers, shape)
            if feature is not None:
                feature.build(shape)
        shape = build_layers(self._top, shape)
        if self._dense_features is not None:
            self._dense_features.build(shape)
        self.built = True

    def call(
        self,
        image: tf.Tensor,
        label: tf.Tensor | None = None,
        training: bool = False,
    ) -> list[tf.Tensor]:
        """Returns the feature of each group, the top group first.

        Args:
            image: `[batch, H, W, C]` in [0, 1].
            label: Their classes, int32 `[batch]`, where there are classes.
            training: Whether this is a training step.

        Returns:
            `[batch, dense_units]` for the top group, then
            `[batch, dense_bottleneck]` for each dense group and
            `[batch, h, w, bottleneck]` for each convolutional one.
        """
        x = self._to_depth(with_class_picture(self, 2.0 * image - 1.0, label))
        features: list[tf.Tensor] = []
        for scale, layers in enumerate(self._scales):
            x = run_layers(layers, x, training=training)
            feature, count = self._features[scale], self.num_groups[scale]
            if feature is not None:
                features = [*tf.split(feature(x), count, axis=-1), *features]
        top = run_layers(self._top, x, training=training)
        if self._dense_features is not None:
            dense = self._dense_features(top)
            count = self.dense_groups
            features = [*tf.split(dense, count, axis=-1), *features]
        return [top, *features]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "bottlenecks": self.bottlenecks,
            "num_blocks": self.num_blocks,
            "num_groups": self.num_groups,
            "dense_units": self.dense_units,
            "dense_groups": self.dense_groups,
            "dense_bottleneck": self.dense_bottleneck,
            "activation": self.activation,
        }
