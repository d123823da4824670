"""The one convolution of NVAE: weight-normalised, depthwise or masked."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

__all__ = ["WeightNormConv2D", "autoregressive_mask", "fan_in_uniform"]

_NORM_EPSILON = 1e-5
_GAIN_EPSILON = 0.01
_MASKS = (None, "exclusive", "inclusive")


def fan_in_uniform(fan_in: int) -> keras.initializers.Initializer:
    """Returns U(-1/sqrt(fan_in), 1/sqrt(fan_in)), for kernels and biases."""
    bound = 1.0 / math.sqrt(fan_in)
    return keras.initializers.RandomUniform(-bound, bound)


def autoregressive_mask(
    kernel_shape: tuple[int, int, int, int],
    inclusive: bool,
    mirrored: bool = False,
) -> np.ndarray:
    """Returns ones where a kernel reads what comes before its output.

    Pixels come in raster order, channels after pixels. Where there are more
    channels on one side, they form as many blocks as the other side has
    channels; at the centre, block i reads the blocks before it.

    Args:
        kernel_shape: (k, k, c_in, c_out) with an odd k, where one of c_in and
            c_out divides the other, or (k, k, c, 1) of a depthwise kernel:
            pass `inclusive=True` for it.
        inclusive: Whether block i reads block i itself, too.
        mirrored: Turns the mask by 180 degrees: the last pixel comes first.
            The order of the channels stays.

    Returns:
        float32 array of shape `kernel_shape`.
    """
    size, _, channels_in, channels_out = kernel_shape
    centre = size // 2
    mask = np.zeros(kernel_shape, np.float32)
    mask[:centre] = 1.0
    mask[centre, :centre] = 1.0
    num_blocks = min(channels_in, channels_out)
    block_in = np.arange(channels_in) * num_blocks // channels_in
    block_out = np.arange(channels_out) * num_blocks // channels_out
    reads = block_in[:, None] - block_out[None, :]
    mask[centre, centre] = reads <= 0 if inclusive else reads < 0
    return mask[::-1, ::-1] if mirrored else mask


@keras.saving.register_keras_serializable(package="keras_vae")
class WeightNormConv2D(keras.layers.Layer):
    """Convolution `[batch, h, w, c_in]` to `[batch, h', w', filters]`.

    The effective kernel of output channel c is

        W_c = exp(g_c) * V_c / (||V_c|| + 1e-5)

    with trainable V and g, where the norm is taken over all but the output
    channel, after the mask. It is computed in float32 and applied in the
    compute dtype. At the start V and the bias are
    U(-1/sqrt(fan_in), 1/sqrt(fan_in)) and g is log(||V|| + 0.01), so that W is
    nearly V.

    With stride 1 the output is as large as the input. With stride 2 the input
    is padded by (kernel_size - 1) / 2 on every side, so that outputs are
    centred on the pixels 0, 2, 4, ...; TensorFlow's own "same" would shift them
    by one pixel when the size is even.

    Args:
        filters: Number of output channels.
        kernel_size: Odd height and width of the kernel.
        strides: 1 or 2.
        use_bias: Whether a bias is added.
        weight_norm: Whether the kernel is normalised; W = V otherwise.
        depthwise: Whether each channel is convolved by itself; `filters` must
            be the number of input channels.
        mask: `None`; or `"exclusive"`, which reads only pixels before the
            output's in raster order, and at the output's pixel only channels
            before its own; or `"inclusive"`, which reads its own channel, too.
            See `autoregressive_mask`. A depthwise kernel takes `"inclusive"`.
        mirrored: Whether the mask is turned by 180 degrees.
        initial_log_gain_offset: Added to the initial g.

    Raises:
        ValueError: If an argument does not fit, or the input's channels do not.

    References:
        Salimans and Kingma (2016), Weight Normalization, equation 2.
        Vahdat and Kautz (2020), NVAE.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        use_bias: bool = True,
        weight_norm: bool = True,
        depthwise: bool = False,
        mask: str | None = None,
        mirrored: bool = False,
        initial_log_gain_offset: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if kernel_size % 2 == 0:
            raise ValueError(
                "`kernel_size` must be odd. "
                f"Received: kernel_size={kernel_size}"
            )
        allowed = ("inclusive", None) if depthwise else _MASKS
        if mask not in allowed:
            raise ValueError(
                f"`mask` must be one of {allowed}. Received: mask={mask!r}"
            )
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.use_bias = use_bias
        self.weight_norm = weight_norm
        self.depthwise = depthwise
        self.mask = mask
        self.mirrored = mirrored
        self.initial_log_gain_offset = initial_log_gain_offset

    def build(self, input_shape: Any) -> None:
        channels = input_shape[-1]
        self._check_channels(channels)
        size = self.kernel_size
        last = (channels, 1) if self.depthwise else (channels, self.filters)
        self._kernel_shape = (size, size, *last)
        # Of one output channel; Keras counts it differently when depthwise.
        fan_in = size * size * (1 if self.depthwise else channels)
        # It has a seed and gives the same values whenever it is called.
        self._initializer = fan_in_uniform(fan_in)
        # Their float32 values are what is normalised and trained.
        self.kernel = self.add_weight(
            name="kernel",
            shape=self._kernel_shape,
            initializer=self._initializer,
            autocast=False,
        )
        self.log_gain = self.bias = None
        if self.weight_norm:
            self.log_gain = self.add_weight(
                name="log_gain",
                shape=(self.filters,),
                initializer=self._initial_log_gain,
                autocast=False,
            )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=fan_in_uniform(fan_in),
            )
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        kernel = tf.cast(self.effective_kernel(), self.compute_dtype)
        padding = "SAME"
        if self.strides > 1:
            pad = self.kernel_size // 2
            x = tf.pad(x, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
            padding = "VALID"
        strides = [1, self.strides, self.strides, 1]
        if self.depthwise:
            y = tf.nn.depthwise_conv2d(x, kernel, strides, padding)
        else:
            y = tf.nn.conv2d(x, kernel, strides, padding)
        if self.bias is not None:
            y = tf.nn.bias_add(y, tf.cast(self.bias, y.dtype))
        return y

    def effective_kernel(self) -> tf.Tensor:
        """Returns the masked, normalised kernel that is applied.

        float32 `[k, k, c_in, filters]`, or `[k, k, filters, 1]` if depthwise.
        """
        kernel = self._masked(tf.convert_to_tensor(self.kernel))
        if self.log_gain is None:
            return kernel
        norm = self._norm(kernel)
        gain = tf.reshape(tf.exp(self.log_gain), tf.shape(norm))
        return kernel * (gain / (norm + _NORM_EPSILON))

    def effective_matrix(self) -> tf.Tensor:
        """Returns the effective kernel as float32 `matrix_shape`."""
        order = (2, 0, 1, 3) if self.depthwise else (3, 0, 1, 2)
        kernel = tf.transpose(self.effective_kernel(), order)
        return tf.reshape(kernel, self.matrix_shape)

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """(filters, k * k * c_in), or (filters, k * k) if depthwise."""
        return self.filters, math.prod(self._kernel_shape) // self.filters

    def compute_output_shape(self, shape: Any) -> Any:
        batch, height, width, _ = shape
        height, width = (
            size if size is None else -(-size // self.strides)
            for size in (height, width)
        )
        return (batch, height, width, self.filters)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "use_bias": self.use_bias,
            "weight_norm": self.weight_norm,
            "depthwise": self.depthwise,
            "mask": self.mask,
            "mirrored": self.mirrored,
            "initial_log_gain_offset": self.initial_log_gain_offset,
        }

    def _masked(self, kernel: tf.Tensor) -> tf.Tensor:
        if self.mask is None:
            return kernel
        return kernel * autoregressive_mask(
            self._kernel_shape,
            inclusive=self.mask == "inclusive",
            mirrored=self.mirrored,
        )

    def _norm(self, kernel: tf.Tensor) -> tf.Tensor:
        # The bound keeps the gradient finite where a mask leaves nothing.
        axes = (0, 1, 3) if self.depthwise else (0, 1, 2)
        squares = tf.reduce_sum(tf.square(kernel), axes, keepdims=True)
        return tf.sqrt(tf.maximum(squares, 1e-20))

    def _initial_log_gain(self, shape: Any, dtype: Any = None) -> tf.Tensor:
        kernel = self._masked(self._initializer(self._kernel_shape, dtype))
        norm = tf.reshape(self._norm(kernel), shape)
        return tf.math.log(norm + _GAIN_EPSILON) + self.initial_log_gain_offset

    def _check_channels(self, channels: int) -> None:
        if self.depthwise and channels != self.filters:
            raise ValueError(
                "`filters` of a depthwise convolution must be the number of "
                f"input channels. Received: filters={self.filters} and "
                f"{channels} channels"
            )
        larger, smaller = sorted((channels, self.filters), reverse=True)
        if self.mask is not None and larger % smaller:
            raise ValueError(
                "One of `filters` and the input channels must divide the other "
                f"in a masked convolution. Received: filters={self.filters} "
                f"and {channels} channels"
            )
