"""A latent group in the stream of a hierarchy of dense convolutions."""

from typing import Any

import keras
import tensorflow as tf

from keras_vae.networks.hierarchy import LocScale, clamp5
from keras_vae.networks.pointwise import Convolution

__all__ = [
    "TopDownBlock",
    "bounded_loc_scale",
    "convolution",
    "standard_normal",
]

_LOG_SCALE_RANGE = (-6.0, 1.5)


def convolution(filters: int, size: int, layer: Any, **kwargs: Any) -> Any:
    """Returns a convolution with the precision of the network it is in."""
    return Convolution(
        filters, size, padding="same", dtype=layer.dtype_policy, **kwargs
    )


def _affine(units: int, size: int, layer: Any, **kwargs: Any) -> Any:
    """Returns a convolution, or with a `size` of 0 a dense layer."""
    if size:
        return convolution(units, size, layer, **kwargs)
    return keras.layers.Dense(units, dtype=layer.dtype_policy, **kwargs)


def _scaled(gain: float) -> keras.initializers.Initializer:
    """Returns Glorot's initializer with the weights times `gain`."""
    return keras.initializers.VarianceScaling(gain**2, "fan_avg", "uniform")


def bounded_loc_scale(params: tf.Tensor) -> LocScale:
    """Splits the last axis into loc and log scale, in float32.

    The location is within -5 ... 5. Without that bound an image unlike all that
    was seen ends in NaN: a latent and the scale that its group gives it both
    grow with the stream, and their product squares it, group after group.
    """
    loc, log_scale = tf.split(tf.cast(params, tf.float32), 2, axis=-1)
    return clamp5(loc), tf.exp(tf.clip_by_value(log_scale, *_LOG_SCALE_RANGE))


def standard_normal(like: tf.Tensor) -> LocScale:
    """Returns loc and scale of N(0, I), shaped as `like`."""
    return tf.zeros_like(like), tf.ones_like(like)


@keras.saving.register_keras_serializable(package="keras_vae")
class TopDownBlock(keras.layers.Layer):
    """One latent group in the residual stream x.

        u, v = split(1x1(x))
        loc, log_scale = 1x1(act(3x3(act(u + feature))))    the posterior
        h = act(3x3(act(v)))                                the prior's path
        x + 1x1([h, w * (1 + 1x1(h))]),  w ~ N(loc, scale), prior N(0, I)

    For a stream of vectors all of these are dense layers.

    Args:
        filters: Channels of the stream.
        bottleneck: Channels of the 3x3 convolutions and of the feature.
        latent_channels: Channels of w.
        activation: Name of a Keras activation.
        gain: Scale of the last convolution's initial weights.
        dense: Whether x is a vector for each row, `[rows, filters]`.
    """

    def __init__(
        self,
        filters: int,
        bottleneck: int,
        latent_channels: int,
        activation: str = "elu",
        gain: float = 1.0,
        dense: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.bottleneck = bottleneck
        self.latent_channels = latent_channels
        self.activation = activation
        self.gain = gain
        self.dense = dense
        self._act = keras.activations.get(activation)
        one, three = (0, 0) if dense else (1, 3)
        self.reduce = _affine(2 * bottleneck, one, self)
        self.posterior_mix = _affine(
            bottleneck, three, self, activation=activation
        )
        self.posterior_head = _affine(2 * latent_channels, one, self)
        self.prior_mix = _affine(bottleneck, three, self, activation=activation)
        self.prior_scale = _affine(latent_channels, one, self)
        self.expand = _affine(
            filters, one, self, kernel_initializer=_scaled(gain)
        )

    def build(self, input_shape: Any) -> None:
        inner = (*input_shape[:-1], self.bottleneck)
        self.reduce.build(input_shape)
        for layer in (
            self.posterior_mix,
            self.posterior_head,
            self.prior_mix,
            self.prior_scale,
        ):
            layer.build(inner)
        merged = self.bottleneck + self.latent_channels
        self.expand.build((*input_shape[:-1], merged))
        self.built = True

    def call(self, x: tf.Tensor, choose: Any) -> tf.Tensor:
        """Returns the stream after the group.

        Args:
            x: The stream, `[rows, h, w, filters]`, `[rows, filters]` if dense.
            choose: `choose(prior, posterior)` returns w; see
                `TopDownDecoder.descend`.
        """
        for_posterior, for_prior = tf.split(self.reduce(x), 2, axis=-1)
        h = self.prior_mix(self._act(for_prior))
        scale = 1.0 + self.prior_scale(h)

        def posterior(feature: tf.Tensor) -> LocScale:
            mixed = self.posterior_mix(self._act(for_posterior + feature))
            return bounded_loc_scale(self.posterior_head(mixed))

        w = choose(standard_normal(tf.cast(scale, tf.float32)), posterior)
        w = tf.cast(w, scale.dtype)
        return x + self.expand(tf.concat([h, w * scale], axis=-1))

    def compute_output_shape(self, input_shape: Any, **kwargs: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "bottleneck": self.bottleneck,
            "latent_channels": self.latent_channels,
            "activation": self.activation,
            "gain": self.gain,
            "dense": self.dense,
        }
