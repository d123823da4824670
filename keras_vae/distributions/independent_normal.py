"""Real-valued pixels: independent normal distributions."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.config import (
    BuildContext,
    NormalFixedConfig,
    NormalPerPixelConfig,
    NormalSharedConfig,
)
from keras_vae.distributions.distribution_layer import DistributionLayer
from keras_vae.distributions.parameters import as_shape, to_positive
from keras_vae.errors import UserError

__all__ = ["IndependentNormal", "build"]

_SCALES = ("fixed", "shared", "per_pixel")


@keras.saving.register_keras_serializable(package="keras_vae")
class IndependentNormal(DistributionLayer):
    """One normal distribution for each element of an event.

        log p(x) = sum_i -(x_i - loc_i)^2 / (2 s_i^2) - log s_i - log(2 pi) / 2

    The standard deviation s is, by `scale`:

        "fixed"      s_i = scale_value; -log p(x) is the squared error
                     ||x - loc||^2 / (2 s^2) and a constant
        "shared"     s_i = s, one number that is trained with the model
        "per_pixel"  s_i from the network, by
                     min_scale + softplus(raw_i + c), with c such that raw_i = 0
                     gives scale_value

    `scale_value` is also where a "shared" s starts. The floor `min_scale`
    bounds the density, which is else unbounded where pixels are constant (the
    black border of MNIST).

    Shapes: `params` is [..., *event_shape] or [..., prod(event_shape)]: the
    loc. For "per_pixel", with C = event_shape[-1], it is
    [..., *event_shape[:-1], 2 C], first the C loc then the C raw scales, or
    that flattened. Samples and the mean are [..., *event_shape], `log_prob` is
    [...], in nats (of a density: it can be positive).

    Args:
        event_shape: Shape of one event, such as (28, 28, 1); an int d means
            (d,).
        scale: "fixed", "shared" or "per_pixel".
        scale_value: The standard deviation as said above, in the unit of x.
        min_scale: Lower bound of a "shared" or "per_pixel" standard deviation,
            in the unit of x. A "fixed" one does not use it.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If `scale` is unknown, or `scale_value` is not above 0 and,
            where it is used, `min_scale`.

    Example:

        class Decoder(keras.Model):
            def __init__(self):
                super().__init__()
                self.conv = keras.layers.Conv2DTranspose(3, 3, padding="same")
                self.likelihood = IndependentNormal((32, 32, 3), "shared", 0.1)

            def call(self, features):  # [batch, 32, 32, channels]
                return self.likelihood(self.conv(features))

        px = Decoder()(features)
        px.log_prob(image)  # [batch], nats, image is [batch, 32, 32, 3]

    References:
        Rybkin, Daniilidis, Levine (2021). Simple and Effective VAE Training
        with Calibrated Decoders. Section 3 (the shared scale).
        https://arxiv.org/abs/2006.13202
    """

    real_valued = True

    def __init__(
        self,
        event_shape: int | Sequence[int],
        scale: str = "fixed",
        scale_value: float = 1.0,
        min_scale: float = 1e-3,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, **kwargs)
        _check_scale(scale)
        floor = 0.0 if scale == "fixed" else min_scale
        if not 0.0 <= floor < scale_value < math.inf:
            raise UserError(
                "`scale_value` must be finite and above 0, and above "
                "`min_scale` (itself 0 or more) if `scale` is not 'fixed'. "
                f"Received: scale_value={scale_value!r}, "
                f"min_scale={min_scale!r}, scale={scale!r}"
            )
        self.scale = scale
        self.scale_value = float(scale_value)
        self.min_scale = float(min_scale)

    @staticmethod
    def params_size(
        event_shape: int | Sequence[int], scale: str = "fixed"
    ) -> int:
        """Returns how many numbers one distribution takes.

        Args:
            event_shape: As in the constructor.
            scale: As in the constructor.

        Returns:
            `prod(event_shape)`, or twice as many for "per_pixel".
        """
        _check_scale(scale)
        size = math.prod(as_shape(event_shape))
        return 2 * size if scale == "per_pixel" else size

    @property
    def num_params(self) -> int:
        """How many numbers one distribution of this layer takes."""
        return self.params_size(self.event_shape, self.scale)

    def build(self, params_shape: Sequence[int | None]) -> None:
        """Makes the variable of a "shared" scale."""
        del params_shape  # The variable is a scalar, whatever it is.
        if self.scale == "shared":
            self.raw_scale = self.add_weight(
                shape=(), initializer="zeros", name="raw_scale"
            )
        self.built = True

    def params_from_mean(self, mean: np.ndarray) -> np.ndarray:
        """Returns `mean` as the loc, beside raw scales of 0 where they are."""
        if self.scale == "per_pixel":
            return np.concatenate([mean, np.zeros_like(mean)], axis=-1)
        return np.asarray(mean)

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Returns the distribution with the loc, or loc and scale, `params`."""
        loc = params
        if self.scale == "per_pixel":
            loc, raw = tf.split(params, 2, axis=-1)
            scale = to_positive(raw, self.scale_value, self.min_scale)
        elif self.scale == "shared":
            raw = tf.convert_to_tensor(self.raw_scale)
            scale = to_positive(raw, self.scale_value, self.min_scale)
        else:
            scale = tf.constant(self.scale_value, tf.float32)
        return tfd.Independent(
            tfd.Normal(loc=loc, scale=scale),
            reinterpreted_batch_ndims=len(self.event_shape),
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "scale": self.scale,
            "scale_value": self.scale_value,
            "min_scale": self.min_scale,
        }


def _check_scale(scale: str) -> None:
    if scale not in _SCALES:
        raise UserError(
            f"`scale` must be one of {_SCALES}. Received: {scale!r}"
        )


def build(
    config: NormalFixedConfig | NormalSharedConfig | NormalPerPixelConfig,
    context: BuildContext,
) -> IndependentNormal:
    """Returns the likelihood of a configuration."""
    scale = config.name.removeprefix("normal_")
    return IndependentNormal(context.image_shape, scale, config.scale)
