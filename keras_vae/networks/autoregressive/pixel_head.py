"""From the features of a pixel to the parameters of its likelihood."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

__all__ = ["PixelHead"]


@keras.saving.register_keras_serializable(package="keras_vae")
class PixelHead(keras.layers.Layer):
    """Two dense layers at each pixel, of which channels see those before.

        u = elu(W elu(h) + (V o M) x + b),   params = (U o N) u

    With n ordered channels there are n groups of hidden units, one after the
    other. The masks are those of a masked autoencoder: group g sees the
    channels x_c, c < g, and the parameters of channel c see the groups g <= c.
    With one, for grey images and for likelihoods that order the channels
    themselves, the layer does not look at x.

    Args:
        num_params: Parameters of a pixel, the same number for each channel,
            those of the first channel first.
        units: Hidden units of a group.
        num_ordered: n.

    References:
        Germain et al. (2015), MADE: Masked Autoencoder for Distribution
        Estimation, section 3; van den Oord et al. (2016), Pixel Recurrent
        Neural Networks, section 3.4, on the order of colours.
    """

    def __init__(
        self, num_params: int, units: int, num_ordered: int = 1, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.num_params = num_params
        self.units = units
        self.num_ordered = num_ordered
        channels = np.arange(num_ordered)
        group = np.repeat(channels, units)
        of_param = np.repeat(channels, num_params // num_ordered)
        self._sees = (channels[:, np.newaxis] < group).astype(np.float32)
        self._seen = (group[:, np.newaxis] <= of_param).astype(np.float32)

    def build(self, features_shape: Any, pixel_shape: Any) -> None:
        size = self.num_ordered * self.units
        self.kernel = self.add_weight(
            name="kernel",
            shape=(features_shape[-1], size),
            initializer="glorot_uniform",
        )
        self.bias = self.add_weight(
            name="bias", shape=(size,), initializer="zeros"
        )
        if self.num_ordered > 1:
            self.pixel_kernel = self.add_weight(
                name="pixel_kernel",
                shape=(self.num_ordered, size),
                initializer="glorot_uniform",
            )
        # Training starts near the mean that the network's bias gives.
        self.output_kernel = self.add_weight(
            name="output_kernel",
            shape=(size, self.num_params),
            initializer=keras.initializers.RandomNormal(stddev=0.01),
        )
        self.built = True

    def call(self, features: tf.Tensor, pixel: tf.Tensor) -> tf.Tensor:
        """Returns parameters `[..., num_params]`.

        Args:
            features: h, `[..., filters]`.
            pixel: x, the channels of the same pixels, `[..., channels]`.
        """
        # One product of all pixels: faster than one for each image.
        pixel = tf.reshape(pixel, [-1, pixel.shape[-1]])
        leading = tf.shape(features)[:-1]
        features = tf.reshape(features, [-1, features.shape[-1]])
        u = tf.nn.elu(features) @ self.kernel + self.bias
        if self.num_ordered > 1:
            mask = tf.cast(self._sees, pixel.dtype)
            u += pixel @ (mask * self.pixel_kernel)
        mask = tf.cast(self._seen, features.dtype)
        params = tf.nn.elu(u) @ (mask * self.output_kernel)
        shape = tf.concat([leading, [self.num_params]], axis=0)
        return tf.reshape(params, shape)

    def compute_output_shape(
        self, features_shape: Any, pixel_shape: Any
    ) -> tuple[int | None, ...]:
        return (*features_shape[:-1], self.num_params)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_params": self.num_params,
            "units": self.units,
            "num_ordered": self.num_ordered,
        }
