"""Volume-preserving flows for posteriors: z' = z - mu(z), autoregressive."""

import math
from typing import Any

import keras
import tensorflow as tf

from keras_vae.networks.layer_list import build_layers, run_layers
from keras_vae.networks.nvae.convolution import WeightNormConv2D

__all__ = ["FlowPair", "ShiftFlow"]

_EXPANSION = 6
_INITIAL_LOG_GAIN = math.log(0.1)  # mu starts small.


class _Flow(keras.layers.Layer):
    """Keeps shape and dtype of z; the layers inside have the policy's dtype."""

    def __init__(self, filters: int, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        self.filters = filters

    def compute_output_spec(self, z: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(z.shape, z.dtype)

    def compute_output_shape(self, shape: Any) -> Any:
        return shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable(package="keras_vae")
class ShiftFlow(_Flow):
    """One cell z' = z - mu(z) of a flow on `[..., h, w, c]`.

    mu at a pixel and channel depends on what comes before it, pixels in raster
    order and then channels, so that the Jacobian is triangular with ones on
    its diagonal and log|det| = 0: log q(z') = log q(z).

    mu is a masked 3x3 convolution to 6c channels, a masked depthwise 5x5 one
    and a masked 1x1 one back, with ELU in between (twice before the last one).

    Args:
        filters: Number c of channels.
        mirrored: Whether the last pixel comes first; the order of the channels
            stays.

    References:
        Kingma et al. (2016), Inverse Autoregressive Flow, section 4.
    """

    def __init__(self, filters: int, mirrored: bool = False, **kwargs: Any):
        super().__init__(filters, **kwargs)
        self.mirrored = mirrored
        inner = _EXPANSION * filters
        options = {"mirrored": mirrored, "dtype": self.dtype_policy}
        self.expand = WeightNormConv2D(
            inner, 3, use_bias=False, mask="exclusive", **options
        )
        self.mix = WeightNormConv2D(
            inner,
            5,
            use_bias=False,
            depthwise=True,
            mask="inclusive",
            **options,
        )
        self.project = WeightNormConv2D(
            filters,
            1,
            mask="inclusive",
            initial_log_gain_offset=_INITIAL_LOG_GAIN,
            **options,
        )

    def build(self, input_shape: Any) -> None:
        shape = (None, *input_shape[-3:])
        build_layers([self.expand, self.mix, self.project], shape)
        self.built = True

    def call(self, z: tf.Tensor) -> tf.Tensor:
        """Returns z' for z, `[..., h, w, c]`."""
        return z - self.shift(z)

    def shift(self, z: tf.Tensor) -> tf.Tensor:
        """Returns mu(z), `[..., h, w, c]`."""
        x = tf.reshape(z, [-1, *z.shape[-3:]])
        x = tf.nn.elu(self.mix(tf.nn.elu(self.expand(x))))
        mu = tf.cast(self.project(tf.nn.elu(x)), z.dtype)
        return tf.reshape(mu, tf.shape(z))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mirrored": self.mirrored}


@keras.saving.register_keras_serializable(package="keras_vae")
class FlowPair(_Flow):
    """Two cells of a flow on `[..., h, w, c]`, the second one mirrored.

    Args:
        filters: Number c of channels.
    """

    def __init__(self, filters: int, **kwargs: Any):
        super().__init__(filters, **kwargs)
        self.cells = [
            ShiftFlow(filters, mirrored, dtype=self.dtype_policy)
            for mirrored in (False, True)
        ]

    def build(self, input_shape: Any) -> None:
        for cell in self.cells:
            cell.build(input_shape)
        self.built = True

    def call(self, z: tf.Tensor) -> tf.Tensor:
        """Returns z' for z, `[..., h, w, c]`."""
        return run_layers(self.cells, z)
