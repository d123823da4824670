"""Half and twice the resolution, without losing or shifting a pixel."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vae.networks.nvae.convolution import WeightNormConv2D

__all__ = [
    "BilinearUpsample",
    "FactorizedReduce",
    "bilinear_upsample",
    "nearest_upsample",
    "swish",
]

_OFFSETS = ((0, 0), (1, 1), (0, 1), (1, 0))


def swish(x: tf.Tensor) -> tf.Tensor:
    """Returns x * sigmoid(x)."""
    # Faster than tf.nn.silu, which recomputes the sigmoid going backward.
    return x * tf.sigmoid(x)


def nearest_upsample(x: tf.Tensor) -> tf.Tensor:
    """Repeats each pixel in 2x2: `[b, h, w, c]` to `[b, 2h, 2w, c]`."""
    return tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)


def bilinear_upsample(x: tf.Tensor) -> tf.Tensor:
    """Interpolates linearly: `[b, h, w, c]` to `[b, 2h, 2w, c]`.

    The corners of input and output are the same pixels ("align corners"):
    output i of 2h reads the input at i * (h - 1) / (2h - 1).

    Args:
        x: Height, width and channels must be known.
    """
    _, height, width, channels = x.shape
    # Rows first: one product with all that belongs to a row as its columns.
    rows = tf.constant(_interpolation(height), x.dtype)
    y = tf.matmul(rows, tf.reshape(x, [-1, height, width * channels]))
    columns = tf.constant(_interpolation(width), x.dtype)
    y = tf.matmul(columns, tf.reshape(y, [-1, width, channels]))
    return tf.reshape(y, [-1, 2 * height, 2 * width, channels])


def _interpolation(size: int) -> np.ndarray:
    position = np.arange(2 * size) * (size - 1) / (2 * size - 1)
    distance = np.abs(position[:, None] - np.arange(size)[None, :])
    return np.maximum(1.0 - distance, 0.0)


@keras.saving.register_keras_serializable(package="keras_vae")
class FactorizedReduce(keras.layers.Layer):
    """Skip connection to half the resolution that reads every pixel once.

    `[batch, h, w, c]` to `[batch, h/2, w/2, filters]`: swish, then the four
    pixels of each 2x2 patch through a 1x1 convolution each, concatenated: upper
    left, lower right, upper right, lower left. Each gives a quarter of the
    channels, the last one the rest.

    Args:
        filters: Number of output channels, at least 4.

    Raises:
        ValueError: If there are fewer filters, or height or width is odd.
    """

    def __init__(self, filters: int, **kwargs: Any):
        super().__init__(**kwargs)
        if filters < 4:
            raise ValueError(
                f"`filters` must be at least 4. Received: filters={filters}"
            )
        self.filters = filters
        quarter = filters // 4
        self.convolutions = [
            WeightNormConv2D(size, 1, dtype=self.dtype_policy)
            for size in (quarter, quarter, quarter, filters - 3 * quarter)
        ]

    def build(self, input_shape: Any) -> None:
        _, height, width, _ = input_shape
        if (height or 0) % 2 or (width or 0) % 2:
            raise ValueError(
                "Height and width must be even. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        for convolution in self.convolutions:
            convolution.build(input_shape)
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = swish(x)
        parts = [
            convolution(x[:, row::2, column::2])
            for convolution, (row, column) in zip(
                self.convolutions, _OFFSETS, strict=True
            )
        ]
        return tf.concat(parts, axis=-1)

    def compute_output_shape(self, shape: Any) -> Any:
        batch, *sizes, _ = shape
        return (batch, *(size and size // 2 for size in sizes), self.filters)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable(package="keras_vae")
class BilinearUpsample(keras.layers.Layer):
    """Skip connection to twice the resolution.

    `[batch, h, w, c]` to `[batch, 2h, 2w, filters]`: `bilinear_upsample` and a
    1x1 convolution without bias. The two commute, and the convolution comes
    first, where there are a quarter of the pixels.

    Args:
        filters: Number of output channels.
    """

    def __init__(self, filters: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.filters = filters
        self.convolution = WeightNormConv2D(
            filters, 1, use_bias=False, dtype=self.dtype_policy
        )

    def build(self, input_shape: Any) -> None:
        self.convolution.build(input_shape)
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return bilinear_upsample(self.convolution(x))

    def compute_output_shape(self, shape: Any) -> Any:
        batch, *sizes, _ = shape
        return (batch, *(size and size * 2 for size in sizes), self.filters)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters}
