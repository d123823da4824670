"""The residual cells of NVAE's two towers."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_vae.global_batch import current_share, sharing
from keras_vae.networks.nvae.convolution import WeightNormConv2D, fan_in_uniform
from keras_vae.networks.nvae.normalization import BatchNormalization
from keras_vae.networks.nvae.resampling import (
    BilinearUpsample,
    FactorizedReduce,
    nearest_upsample,
    swish,
)

__all__ = ["DecoderCell", "EncoderCell", "SqueezeExcite"]

_MIN_SQUEEZED = 4

Normalize = Callable[[BatchNormalization, tf.Tensor], tf.Tensor]


@keras.saving.register_keras_serializable(package="keras_vae")
class SqueezeExcite(keras.layers.Layer):
    """Scales the channels of `[batch, h, w, c]` by what all pixels say.

    x * sigmoid(dense(relu(dense(mean of x over h and w)))).

    Args:
        filters: Number c of channels.
        ratio: The inner layer has `filters // ratio` units, at least 4.

    References:
        Hu et al. (2018), Squeeze-and-Excitation Networks, section 3.
    """

    def __init__(self, filters: int, ratio: int = 16, **kwargs: Any):
        super().__init__(**kwargs)
        self.filters = filters
        self.ratio = ratio
        self.squeezed = max(filters // ratio, _MIN_SQUEEZED)
        self.reduce = self._dense(self.squeezed, filters, "relu")
        self.expand = self._dense(filters, self.squeezed, "sigmoid")

    def build(self, input_shape: Any) -> None:
        self.reduce.build((input_shape[0], self.filters))
        self.expand.build((input_shape[0], self.squeezed))
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        mean = tf.reduce_mean(tf.cast(x, tf.float32), axis=(1, 2))
        scale = self.expand(self.reduce(mean))
        return x * scale[:, None, None, :]

    def compute_output_shape(self, shape: Any) -> Any:
        return shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "ratio": self.ratio,
        }

    def _dense(
        self, units: int, fan_in: int, activation: str
    ) -> keras.layers.Dense:
        return keras.layers.Dense(
            units,
            activation=activation,
            kernel_initializer=fan_in_uniform(fan_in),
            bias_initializer=fan_in_uniform(fan_in),
            dtype=self.dtype_policy,
        )


class _Cell(keras.layers.Layer):
    """skip(x) + residual_scale * branch(x), recomputed if it is asked for.

    Sub-classes make `self.norms`, in the order in which `branch` applies them,
    and `self.skip`, a layer or None for the identity, and implement `branch`.
    """

    norms: list[BatchNormalization]
    skip: keras.layers.Layer | None

    def __init__(
        self,
        filters_out: int,
        filters_in: int | None,
        residual_scale: float,
        recompute: bool,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.filters_out = filters_out
        self.residual_scale = residual_scale
        self.recompute = recompute
        self._filters_in = filters_in

    def branch(self, x: tf.Tensor, normalize: Normalize) -> tf.Tensor:
        """Returns the branch, where `normalize(norm, x)` applies a norm."""
        raise NotImplementedError("A subclass must define `branch`.")

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training:
            return self._sum(x, lambda norm, value: norm(value, training=False))

        share = current_share()

        def run(value: tf.Tensor) -> list[tf.Tensor]:
            # Assigns nothing, so that it may run twice in a step.
            statistics: list[tf.Tensor] = []

            def normalize(
                norm: BatchNormalization, value: tf.Tensor
            ) -> tf.Tensor:
                value, pair = norm.normalize(value, training=True)
                statistics.extend(pair)
                return value

            # The second time is outside the pass.
            with sharing(share):
                return [self._sum(value, normalize), *statistics]

        y, *flat = (tf.recompute_grad(run) if self.recompute else run)(x)
        pairs = zip(flat[::2], flat[1::2])
        for norm, pair in zip(self.norms, pairs, strict=True):
            norm.update(pair)
        return y

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters_out": self.filters_out,
            "residual_scale": self.residual_scale,
            "recompute": self.recompute,
        }

    def _sum(self, x: tf.Tensor, normalize: Normalize) -> tf.Tensor:
        y = self.branch(x, normalize)
        skip = x if self.skip is None else self.skip(x)
        return skip + tf.cast(self.residual_scale, y.dtype) * y

    def _build_skip(self, input_shape: Any) -> None:
        channels = input_shape[-1]
        if self._filters_in not in (None, channels):
            raise ValueError(
                f"A cell with filters_out={self.filters_out} takes "
                f"{self._filters_in} channels. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        if self.skip is not None:
            self.skip.build(input_shape)


@keras.saving.register_keras_serializable(package="keras_vae")
class EncoderCell(_Cell):
    """Residual cell of the bottom-up tower: two 3x3 convolutions.

    skip(x) + 0.1 * SE(unit(unit(x))), where a unit is batch normalisation,
    swish and a 3x3 convolution. `[batch, h, w, c]` stays, or becomes
    `[batch, h/2, w/2, filters_out]`: then the first convolution has stride 2
    and the skip is `FactorizedReduce`.

    Args:
        filters_out: Number of output channels; of input channels, too, unless
            the cell goes down.
        downsample: Whether the cell halves the resolution.
        residual_scale: Factor of the branch.
        recompute: Whether the backward pass computes what is inside the cell
            again instead of keeping it, which saves memory and costs time.

    Raises:
        ValueError: If the input has another number of channels.
    """

    def __init__(
        self,
        filters_out: int,
        downsample: bool = False,
        residual_scale: float = 0.1,
        recompute: bool = False,
        **kwargs: Any,
    ):
        filters_in = None if downsample else filters_out
        super().__init__(
            filters_out, filters_in, residual_scale, recompute, **kwargs
        )
        self.downsample = downsample
        dtype = self.dtype_policy
        self.norms = [BatchNormalization(dtype=dtype) for _ in range(2)]
        self.convolutions = [
            WeightNormConv2D(filters_out, 3, strides, dtype=dtype)
            for strides in (2 if downsample else 1, 1)
        ]
        self.squeeze_excite = SqueezeExcite(filters_out, dtype=dtype)
        self.skip = (
            FactorizedReduce(filters_out, dtype=dtype) if downsample else None
        )

    def build(self, input_shape: Any) -> None:
        self._build_skip(input_shape)
        shape = input_shape
        for norm, convolution in zip(self.norms, self.convolutions):
            norm.build(shape)
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
        self.squeeze_excite.build(shape)
        self.built = True

    def branch(self, x: tf.Tensor, normalize: Normalize) -> tf.Tensor:
        for norm, convolution in zip(self.norms, self.convolutions):
            x = convolution(swish(normalize(norm, x)))
        return self.squeeze_excite(x)

    def compute_output_shape(self, shape: Any) -> Any:
        return (
            shape
            if self.skip is None
            else (self.skip.compute_output_shape(shape))
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "downsample": self.downsample}


@keras.saving.register_keras_serializable(package="keras_vae")
class DecoderCell(_Cell):
    """Residual cell of the top-down tower: an inverted bottleneck.

    skip(x) + 0.1 * branch(x), where the branch is batch normalisation, 1x1 to
    `expansion` times the channels, depthwise 5x5 and 1x1 back, each followed
    by batch normalisation and the first two by swish, too, then
    squeeze-and-excite. `[batch, h, w, c]` stays, or becomes
    `[batch, 2h, 2w, c/2]`: then the branch repeats each pixel in 2x2 and the
    skip is `BilinearUpsample`. Repeating commutes with all that comes before
    the depthwise convolution, the statistics included, and is done there.

    Args:
        filters_out: Number of output channels. There are as many input
            channels, or twice as many if the cell goes up.
        expansion: Factor of the input channels inside the branch.
        upsample: Whether the cell doubles the resolution.
        kernel_size: Odd size of the depthwise convolution.
        residual_scale: Factor of the branch.
        recompute: Whether the backward pass computes what is inside the cell
            again instead of keeping it, which saves memory and costs time.

    Raises:
        ValueError: If the input has another number of channels.

    References:
        Sandler et al. (2018), MobileNetV2, section 3.
    """

    def __init__(
        self,
        filters_out: int,
        expansion: int = 6,
        upsample: bool = False,
        kernel_size: int = 5,
        residual_scale: float = 0.1,
        recompute: bool = False,
        **kwargs: Any,
    ):
        filters_in = 2 * filters_out if upsample else filters_out
        super().__init__(
            filters_out, filters_in, residual_scale, recompute, **kwargs
        )
        self.expansion = expansion
        self.upsample = upsample
        self.kernel_size = kernel_size
        dtype = self.dtype_policy
        inner = expansion * filters_in
        plain: dict[str, Any] = {
            "use_bias": False,
            "weight_norm": False,
            "dtype": dtype,
        }
        self.norms = [BatchNormalization(dtype=dtype) for _ in range(4)]
        self.expand = WeightNormConv2D(inner, 1, **plain)
        self.mix = WeightNormConv2D(inner, kernel_size, depthwise=True, **plain)
        self.project = WeightNormConv2D(filters_out, 1, **plain)
        self.squeeze_excite = SqueezeExcite(filters_out, dtype=dtype)
        self.skip = (
            BilinearUpsample(filters_out, dtype=dtype) if upsample else None
        )

    def build(self, input_shape: Any) -> None:
        self._build_skip(input_shape)
        inner = (*input_shape[:-1], self.expansion * input_shape[-1])
        output = (*input_shape[:-1], self.filters_out)
        for norm, shape in zip(self.norms, (input_shape, inner, inner, output)):
            norm.build(shape)
        self.expand.build(input_shape)
        self.mix.build(inner)
        self.project.build(inner)
        self.squeeze_excite.build(output)
        self.built = True

    def branch(self, x: tf.Tensor, normalize: Normalize) -> tf.Tensor:
        x = self.expand(normalize(self.norms[0], x))
        x = swish(normalize(self.norms[1], x))
        if self.upsample:
            x = nearest_upsample(x)
        x = swish(normalize(self.norms[2], self.mix(x)))
        return self.squeeze_excite(normalize(self.norms[3], self.project(x)))

    def compute_output_shape(self, shape: Any) -> Any:
        return (
            shape
            if self.skip is None
            else (self.skip.compute_output_shape(shape))
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "expansion": self.expansion,
            "upsample": self.upsample,
            "kernel_size": self.kernel_size,
        }
