"""A convolution whose 1x1 case is a matrix product."""

import keras
import tensorflow as tf

__all__ = ["Convolution"]


@keras.saving.register_keras_serializable(package="keras_vae")
class Convolution(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, faster on CPUs where the kernel is 1x1.

    Such a convolution multiplies the vector at each position by one matrix.
    Done as a single product of all positions, its gradient above all is
    faster than TensorFlow's convolution on CPUs with AVX2.
    Weights, their names and their shapes are those of `keras.layers.Conv2D`.
    """

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Returns `[batch, height, width, filters]`, for a static size."""
        if not self._is_matrix:
            return super().call(x)
        channels, size = x.shape[-1], x.shape[1:-1]
        matrix = tf.reshape(self.kernel, [channels, self.filters])
        y = tf.matmul(tf.reshape(x, [-1, channels]), matrix)
        if self.use_bias:
            y = tf.nn.bias_add(y, self.bias)
        return tf.reshape(self.activation(y), [-1, *size, self.filters])

    @property
    def _is_matrix(self) -> bool:
        ones = (*self.kernel_size, *self.strides, self.groups)
        return all(n == 1 for n in ones) and (
            self.data_format == "channels_last"
        )
