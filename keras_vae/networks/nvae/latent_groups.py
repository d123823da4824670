"""The latent groups in the stream of NVAE's decoder."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.white_noise import standard_normal
from keras_vae.networks.layer_list import run_layers
from keras_vae.networks.nvae.convolution import WeightNormConv2D
from keras_vae.networks.nvae.flow import FlowPair
from keras_vae.networks.nvae.residual_normal import (
    MIN_SCALE,
    floored_normal,
    residual_normal,
)

__all__ = ["NVAEGroup", "NVAETopGroup"]


def _flow(
    pairs: Sequence[FlowPair],
) -> Callable[[tf.Tensor], tf.Tensor] | None:
    return (lambda z: run_layers(pairs, z)) if pairs else None


def _merge(
    convolution: WeightNormConv2D, s: tf.Tensor, z: tf.Tensor
) -> tf.Tensor:
    return convolution(tf.concat([s, tf.cast(z, s.dtype)], axis=-1))


@dataclasses.dataclass(frozen=True)
class NVAETopGroup:
    """The group on top: p(z) = N(0, 1.01^2), and q(z|x) of a feature alone.

    Attributes:
        posterior_head: From a feature to the parameters of q(z|x).
        latent_merge: From state and z to the state after the group.
        latent_channels: Channels of z.
        flow_pairs: The posterior's flow; none without one.
        smooth_scale: As for `floored_normal`.
    """

    posterior_head: WeightNormConv2D
    latent_merge: WeightNormConv2D
    latent_channels: int
    flow_pairs: Sequence[FlowPair]
    smooth_scale: bool

    @property
    def flow(self) -> Callable[[tf.Tensor], tf.Tensor] | None:
        return _flow(self.flow_pairs)

    def read(self, s: tf.Tensor) -> tf.Tensor:
        return s

    def prior(self, s: tf.Tensor) -> tfd.Distribution:
        rows = tf.shape(s)[0]
        zeros = tf.zeros([rows, *s.shape[1:-1], self.latent_channels])
        return standard_normal(zeros, 1.0 + MIN_SCALE)

    def posterior(self, s: tf.Tensor, feature: tf.Tensor) -> tfd.Distribution:
        raw = tf.cast(self.posterior_head(feature), tf.float32)
        return floored_normal(raw, self.smooth_scale)

    def merge(self, s: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        return _merge(self.latent_merge, s, z)


class _State(NamedTuple):
    """The stream s, the prior's parameters, and what z is merged with."""

    s: tf.Tensor
    raw: tf.Tensor
    merged: tf.Tensor


@dataclasses.dataclass(frozen=True)
class NVAEGroup:
    """A group below: its posterior is relative to its prior.

    Attributes:
        prior_head: From elu(s) to the parameters of the prior, and perhaps more
            channels, which are added to s.
        feature_merge: From s to what is added to a feature.
        posterior_head: From that sum to the residual parameters.
        latent_merge: As in `NVAETopGroup`, and so are the rest.
    """

    prior_head: WeightNormConv2D
    feature_merge: WeightNormConv2D
    posterior_head: WeightNormConv2D
    latent_merge: WeightNormConv2D
    latent_channels: int
    flow_pairs: Sequence[FlowPair]
    smooth_scale: bool

    @property
    def flow(self) -> Callable[[tf.Tensor], tf.Tensor] | None:
        return _flow(self.flow_pairs)

    def read(self, s: tf.Tensor) -> _State:
        params, merged = self.prior_head(tf.nn.elu(s)), s
        count = 2 * self.latent_channels
        if self.prior_head.filters > count:
            params, feature = tf.split(params, [count, s.shape[-1]], axis=-1)
            merged += feature
        return _State(s, tf.cast(params, tf.float32), merged)

    def prior(self, state: _State) -> tfd.Distribution:
        return floored_normal(state.raw, self.smooth_scale)

    def posterior(self, state: _State, feature: tf.Tensor) -> tfd.Distribution:
        feature = tf.cast(feature, state.s.dtype)
        residual = self.posterior_head(feature + self.feature_merge(state.s))
        residual = tf.cast(residual, tf.float32)
        return residual_normal(state.raw, residual, self.smooth_scale)

    def merge(self, state: _State, z: tf.Tensor) -> tf.Tensor:
        return _merge(self.latent_merge, state.merged, z)
