"""A convolution of what comes before, whole or one step at a time."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

__all__ = ["CausalConvolution"]

# Axes of images, in `axis`.
_DOWN, _RIGHT = 1, 2


@keras.saving.register_keras_serializable(package="keras_vae")
class CausalConvolution(keras.layers.Layer):
    """A convolution that does not look ahead along one axis of an image.

    With a kernel of k rows and c columns, down the image (`axis` is 1) row i of
    the output is made of rows i-k+1 ... i, and of the columns on both sides;
    to the right (`axis` is 2; one row) column j of columns j-c+1 ... j.
    Outside the image there are zeros.

    `step` computes one row or one column after the other, and gives what a
    call does: it keeps the last k-1 rows, or c-1 columns, of its input.

    Args:
        filters: Channels of the output.
        kernel_size: (rows, columns). Down the image the columns are odd; to
            the right there is one row.
        axis: 1 or 2.

    Raises:
        ValueError: If the kernel does not fit the axis.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Sequence[int],
        axis: int,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        rows, columns = kernel_size
        if (axis, columns % 2) != (_DOWN, 1) and (axis, rows) != (_RIGHT, 1):
            raise ValueError(
                "`kernel_size` must have an odd number of columns with "
                "`axis=1`, and one row with `axis=2`. "
                f"Received: kernel_size={tuple(kernel_size)}, axis={axis}"
            )
        self.filters = filters
        self.kernel_size = (rows, columns)
        self.axis = axis

    def build(self, input_shape: Any) -> None:
        self.channels = input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, self.channels, self.filters),
            initializer="glorot_uniform",
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.filters,), initializer="zeros"
        )
        self.built = True

    @property
    def _kept(self) -> int:
        """Rows or columns of the input that a step needs from before."""
        return self.kernel_size[self.axis - 1] - 1

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Returns `[batch, height, width, filters]`."""
        paddings = [[0, 0]] * 4
        paddings[self.axis] = [self._kept, 0]
        return self._convolve(tf.pad(x, paddings))

    def start(self, batch: tf.Tensor, width: int) -> tf.Tensor:
        """Returns what is before the first step, for images of a width."""
        size = [self._kept, width] if self.axis == _DOWN else [1, self._kept]
        return tf.zeros([batch, *size, self.channels], self.compute_dtype)

    def step(
        self, x: tf.Tensor, before: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Computes one row, or one column, of what a call returns.

        Args:
            x: The row `[batch, 1, width, channels]`, or the column
                `[batch, 1, 1, channels]`, of the input, in `compute_dtype`.
            before: What `start`, or the step before, returned.

        Returns:
            The row or column, and what the next step takes.
        """
        window = tf.concat([before, x], self.axis)
        after = window[:, 1:] if self.axis == _DOWN else window[:, :, 1:]
        return self._convolve(window), after

    def _convolve(self, x: tf.Tensor) -> tf.Tensor:
        if self.axis == _DOWN:
            side = self.kernel_size[1] // 2
            x = tf.pad(x, [[0, 0], [0, 0], [side, side], [0, 0]])
        kernel = tf.cast(self.kernel, x.dtype)
        y = tf.nn.conv2d(x, kernel, strides=1, padding="VALID")
        return tf.nn.bias_add(y, tf.cast(self.bias, x.dtype))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "axis": self.axis,
        }
