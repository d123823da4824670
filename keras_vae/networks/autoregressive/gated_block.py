"""A block of the gated PixelCNN: a stack of rows and a stack of pixels."""

from typing import Any

import keras
import tensorflow as tf

from keras_vae.networks.autoregressive.causal_convolution import (
    CausalConvolution,
)

__all__ = ["GatedBlock"]


def _gate(x: tf.Tensor) -> tf.Tensor:
    value, gate = tf.split(x, 2, axis=-1)
    return tf.tanh(value) * tf.sigmoid(gate)


@keras.saving.register_keras_serializable(package="keras_vae")
class GatedBlock(keras.layers.Layer):
    """Two stacks of gated convolutions that together see all that is before.

        a = W_v * v,          v' = gate(a)
        b = W_h * h + W_l a,  h' = h + W_o gate(b)
        gate([s, t]) = tanh(s) sigmoid(t)

    The vertical stack v goes over the rows above, the horizontal stack h over
    the pixels to the left, and takes in what the rows above say: so no pixel
    that comes before is out of sight, as in a single masked convolution those
    above and to the right are. Without `residual` h' is `W_o gate(b)`.

    Args:
        filters: Channels F of v and h.
        rows: Rows of the vertical kernel, whose columns are `2 rows - 1`, and
            columns of the horizontal one.
        residual: Whether h is added; it must have F channels then.

    References:
        van den Oord et al. (2016), Conditional Image Generation with PixelCNN
        Decoders, section 2.2 and figure 2.
    """

    def __init__(
        self, filters: int, rows: int = 2, residual: bool = True, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.rows = rows
        self.residual = residual

        def convolution(
            name: str, size: int, kernel: tuple[int, int], axis: int
        ) -> CausalConvolution:
            return CausalConvolution(
                size, kernel, axis, name=name, dtype=self.dtype_policy
            )

        double, columns = 2 * filters, 2 * rows - 1
        self.vertical = convolution("vertical", double, (rows, columns), 1)
        self.horizontal = convolution("horizontal", double, (1, rows), 2)
        self.link = convolution("link", double, (1, 1), 2)
        self.output_layer = convolution("output", filters, (1, 1), 2)

    def build(self, vertical_shape: Any, horizontal_shape: Any) -> None:
        double = (*vertical_shape[:-1], 2 * self.filters)
        self.vertical.build(vertical_shape)
        self.horizontal.build(horizontal_shape)
        self.link.build(double)
        self.output_layer.build((*vertical_shape[:-1], self.filters))
        self.built = True

    def call(
        self, vertical: tf.Tensor, horizontal: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns v' and h', `[batch, height, width, filters]` each."""
        a = self.vertical(vertical)
        b = self.horizontal(horizontal) + self.link(a)
        return _gate(a), self._output(horizontal, b)

    def _output(self, horizontal: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        h = self.output_layer(_gate(b))
        return h + horizontal if self.residual else h

    def start_rows(self, batch: tf.Tensor, width: int) -> tf.Tensor:
        """Returns what `step_row` takes for the first row."""
        return self.vertical.start(batch, width)

    def start_pixels(self, batch: tf.Tensor) -> tf.Tensor:
        """Returns what `step_pixel` takes for the first pixel of a row."""
        return self.horizontal.start(batch, 1)

    def step_row(
        self, vertical: tf.Tensor, before: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Computes one row.

        Args:
            vertical: v of the row, `[batch, 1, width, channels]`.
            before: What `start_rows`, or the row before, returned.

        Returns:
            v' of the row; `W_l a`, which its pixels take; and what the next
            row takes.
        """
        a, after = self.vertical.step(vertical, before)
        return _gate(a), self.link(a), after

    def step_pixel(
        self, horizontal: tf.Tensor, link: tf.Tensor, before: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Computes one pixel.

        Args:
            horizontal: h of the pixel, `[batch, 1, 1, channels]`.
            link: What `step_row` returned for it, `[batch, 1, 1, 2 filters]`.
            before: What `start_pixels`, or the pixel before, returned.

        Returns:
            h' of the pixel, and what the next pixel takes.
        """
        b, after = self.horizontal.step(horizontal, before)
        return self._output(horizontal, b + link), after

    def compute_output_shape(
        self, vertical_shape: Any, horizontal_shape: Any
    ) -> tuple[Any, Any]:
        shape = (*vertical_shape[:-1], self.filters)
        return shape, shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "rows": self.rows,
            "residual": self.residual,
        }
