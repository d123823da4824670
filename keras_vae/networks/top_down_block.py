"""A latent group in the stream of a hierarchy of dense convolutions."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.white_noise import (
    clamp5,
    diagonal_normal,
    standard_normal,
)
from keras_vae.networks.pointwise import Convolution

__all__ = ["TopDownBlock", "bounded_normal"]

_LOG_SCALE_RANGE = (-6.0, 1.5)


def _affine(units: int, size: int, layer: Any, **kwargs: Any) -> Any:
    """Returns a convolution, or with a `size` of 0 a dense layer."""
    kwargs["dtype"] = layer.dtype_policy
    if size:
        return Convolution(units, size, padding="same", **kwargs)
    return keras.layers.Dense(units, **kwargs)


def _scaled(gain: float) -> keras.initializers.Initializer:
    """Returns Glorot's initializer with the weights times `gain`."""
    return keras.initializers.VarianceScaling(gain**2, "fan_avg", "uniform")


def bounded_normal(params: tf.Tensor) -> tfd.Distribution:
    """Returns Gaussians of loc and log scale, the halves of the last axis.

    The location is within -5 ... 5. Without that bound an image unlike all that
    was seen ends in NaN: a latent and the scale that its group gives it both
    grow with the stream, and their product squares it, group after group.
    """
    loc, log_scale = tf.split(tf.cast(params, tf.float32), 2, axis=-1)
    scale = tf.exp(tf.clip_by_value(log_scale, *_LOG_SCALE_RANGE))
    return diagonal_normal(clamp5(loc), scale)


class _State(NamedTuple):
    """The stream, and what the group has made of it."""

    x: tf.Tensor
    for_posterior: tf.Tensor
    h: tf.Tensor
    scale: tf.Tensor


@keras.saving.register_keras_serializable(package="keras_vae")
class TopDownBlock(keras.layers.Layer):
    """One latent group in the residual stream x.

        u, v = split(1x1(x))
        loc, log_scale = 1x1(act(3x3(act(u + feature))))    the posterior
        h = act(3x3(act(v)))                                the prior's path
        x + 1x1([h, w * (1 + 1x1(h))]),  w ~ N(loc, scale), prior N(0, I)

    For a stream of vectors all of these are dense layers. It is a part of a
    `TopDownDecoder`, which runs its methods one after the other.

    Args:
        filters: Channels of the stream.
        bottleneck: Channels of the 3x3 convolutions and of the feature.
        latent_channels: Channels of w.
        activation: Name of a Keras activation.
        gain: Scale of the last convolution's initial weights.
        dense: Whether x is a vector for each row, `[rows, filters]`.
    """

    flow = None

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

    def read(self, x: tf.Tensor) -> _State:
        """Returns what the group makes of the stream.

        Args:
            x: `[rows, h, w, filters]`, or `[rows, filters]` if dense.
        """
        for_posterior, for_prior = tf.split(self.reduce(x), 2, axis=-1)
        h = self.prior_mix(self._act(for_prior))
        return _State(x, for_posterior, h, 1.0 + self.prior_scale(h))

    def prior(self, state: _State) -> tfd.Distribution:
        """Returns N(0, I): `merge` scales what is drawn from it."""
        return standard_normal(state.scale)

    def posterior(self, state: _State, feature: tf.Tensor) -> tfd.Distribution:
        """Returns q(w|x), given the groups above, `[rows, ..., bottleneck]`."""
        mixed = self.posterior_mix(self._act(state.for_posterior + feature))
        return bounded_normal(self.posterior_head(mixed))

    def merge(self, state: _State, z: tf.Tensor) -> tf.Tensor:
        """Returns the stream after the group, where w is z."""
        scaled = tf.cast(z, state.scale.dtype) * state.scale
        return state.x + self.expand(tf.concat([state.h, scaled], axis=-1))

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
