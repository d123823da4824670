"""Grey or colour levels: mixtures of discretized logistic distributions."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.distribution_layer import DistributionLayer
from keras_vae.distributions.parameters import as_positive_int, as_shape
from keras_vae.errors import UserError

__all__ = ["DiscretizedLogisticMixture"]

_CHANNELS = (1, 3)
_MAX_BITS = 8
_MIN_LOG_SCALE = -7.0
# With it all draws are at the ends; more would overflow.
_MAX_LOG_SCALE_OF_DRAWS = 50.0
# Below it two terms of a series are exact in float32.
_NARROW = 1e-2


@keras.saving.register_keras_serializable(package="keras_vae")
class DiscretizedLogisticMixture(DistributionLayer):
    """A mixture of M discretized logistic distributions for each pixel.

    Pixels take the K + 1 = 2^num_bits levels 0, 1 / K, ..., 1 in each channel.
    With x' = 2 x - 1, a component of location m and scale s gives a level the
    mass of a logistic distribution between the level's neighbours,

        P(x) = sigmoid((x' - m + 1 / K) / s) - sigmoid((x' - m - 1 / K) / s)

    and the lowest and the highest level get the tails as well, so that the
    levels' probabilities sum to 1. In colour images the components of a pixel
    are shared by its channels, and a channel's location depends on the
    channels before it:

        m_red, m_green + c_0 x'_red, m_blue + c_1 x'_red + c_2 x'_green

    where the coefficients c_i, of the i-th colour's parameters, are within
    -1 ... 1. Scales are e^-7 or more.

    `log_prob` is the logarithm of a probability: minus it is a code length in
    nats per image, never negative. It takes x as the nearest level, and it
    and its gradient are finite for any finite parameters up to 1e30. Samples
    are levels, drawn from these very probabilities. `mean` is approximate: it
    takes the mean over the components of their locations and of their
    coefficients, and ignores that levels end at 0 and 1.

    Shapes: `params` is [..., H, W, 10 M] for RGB: first the M mixture logits,
    then for each colour M locations, M logarithms of the scales and M
    coefficients before their tanh. For grey it is [..., H, W, 3 M]: logits,
    locations, logarithms of the scales. Or it is the same flattened. Samples
    and the mean are [..., H, W, C] in [0, 1], `log_prob` is [...].

    Args:
        event_shape: (H, W, C), C being 1 or 3.
        num_components: The number M of logistic distributions.
        num_bits: Bits of a channel, 1 ... 8.
        reference_top_bin: Whether to count as the reference implementation of
            NVAE does, for figures to compare with its own: its test for the
            highest level, x' > 0.99, holds at 8 bits for the level below it
            too. That level then gets the upper tail as well, the
            probabilities sum to 1 + P(1), and code lengths are too short.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If an argument is not as said above.

    Example:

        class Decoder(keras.Model):
            def __init__(self):
                super().__init__()
                self.conv = keras.layers.Conv2D(100, 3, padding="same")
                self.likelihood = DiscretizedLogisticMixture((32, 32, 3))

            def call(self, features):  # [batch, 32, 32, channels]
                return self.likelihood(self.conv(features))

        px = Decoder()(features)
        px.log_prob(image)  # [batch], nats, image is [batch, 32, 32, 3]

    References:
        Salimans, Karpathy, Chen, Kingma (2017). PixelCNN++: Improving the
        PixelCNN with Discretized Logistic Mixture Likelihood and Other
        Modifications. Sections 2.1 and 2.2. https://arxiv.org/abs/1701.05517

        Vahdat, Kautz (2020). NVAE: A Deep Hierarchical Variational
        Autoencoder. https://arxiv.org/abs/2007.03898
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        num_components: int = 10,
        num_bits: int = 8,
        reference_top_bin: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, **kwargs)
        _params_per_pixel(self.event_shape, num_components)  # Checks them.
        if not 1 <= as_positive_int(num_bits, "num_bits") <= _MAX_BITS:
            raise UserError(
                "`num_bits` must be 1 ... 8: deeper images are not supported. "
                f"Received: {num_bits!r}"
            )
        self.num_components = int(num_components)
        self.num_bits = int(num_bits)
        self.reference_top_bin = bool(reference_top_bin)

    @staticmethod
    def params_size(
        event_shape: Sequence[int], num_components: int = 10
    ) -> int:
        """Returns how many numbers one distribution takes.

        Args:
            event_shape: As in the constructor.
            num_components: As in the constructor.

        Returns:
            `10 * num_components` for each pixel of an RGB image,
            `3 * num_components` for each of a grey one.
        """
        shape = as_shape(event_shape)
        return math.prod(shape[:-1]) * _params_per_pixel(shape, num_components)

    @property
    def num_params(self) -> int:
        """How many numbers one distribution of this layer takes."""
        return self.params_size(self.event_shape, self.num_components)

    def params_from_mean(self, mean: np.ndarray) -> np.ndarray:
        """Returns `mean` as the location of all components; the rest is 0."""
        loc = 2.0 * np.asarray(mean) - 1.0
        params = np.zeros((*loc.shape[:-1], self._params_shape[-1]), loc.dtype)
        size = self.num_components
        per_channel = (params.shape[-1] - size) // loc.shape[-1]
        for channel in range(loc.shape[-1]):
            start = size + channel * per_channel
            params[..., start : start + size] = loc[..., channel, np.newaxis]
        return params

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Returns the mixtures with the parameters `params`."""
        num_blocks = params.shape[-1] // self.num_components
        logits, *blocks = tf.split(params, num_blocks, axis=-1)
        kinds = (num_blocks - 1) // self.event_shape[-1]
        coefficients = None
        if kinds == 3:
            coefficients = tf.tanh(tf.stack(blocks[2::kinds], axis=-2))
        log_scale = tf.stack(blocks[1::kinds], axis=-2)
        return _Mixture(
            logits,
            tf.stack(blocks[0::kinds], axis=-2),
            tf.maximum(log_scale, _MIN_LOG_SCALE),
            coefficients,
            self.num_bits,
            self.reference_top_bin,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "num_components": self.num_components,
            "num_bits": self.num_bits,
            "reference_top_bin": self.reference_top_bin,
        }


class _Mixture(tfd.Distribution):
    """The distribution of `DiscretizedLogisticMixture`.

    Args:
        logits: [..., H, W, M].
        loc: [..., H, W, C, M], where -1 and 1 are the end levels.
        log_scale: The same shape.
        coefficients: The same shape; None for grey images.
        num_bits: Bits of a channel.
        reference_top_bin: As in the layer.
    """

    def __init__(
        self,
        logits: tf.Tensor,
        loc: tf.Tensor,
        log_scale: tf.Tensor,
        coefficients: tf.Tensor | None,
        num_bits: int,
        reference_top_bin: bool,
        name: str = "DiscretizedLogisticMixture",
    ) -> None:
        parameters = dict(locals())
        self._logits = logits
        self._loc = loc
        self._log_scale = log_scale
        self._coefficients = coefficients
        self._top = 2**num_bits - 1
        # The lowest level that gets the upper tail.
        self._tail = self._top
        if reference_top_bin:
            self._tail = math.floor(0.995 * self._top) + 1
        super().__init__(
            dtype=tf.float32,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(
        cls, dtype: Any, num_classes: int | None = None
    ) -> dict[str, tfp.util.ParameterProperties]:
        return {
            "logits": tfp.util.ParameterProperties(event_ndims=3),
            "loc": tfp.util.ParameterProperties(event_ndims=4),
            "log_scale": tfp.util.ParameterProperties(event_ndims=4),
            "coefficients": tfp.util.ParameterProperties(event_ndims=4),
        }

    def _event_shape(self) -> tf.TensorShape:
        return self._loc.shape[-4:-1]

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self._loc)[-4:-1]

    def _log_prob(self, image: tf.Tensor) -> tf.Tensor:
        of_pixel = self.position_log_prob(image)
        return tf.reduce_sum(of_pixel, axis=(-2, -1))

    def position_log_prob(self, image: tf.Tensor) -> tf.Tensor:
        """Returns log P of the channels of each pixel together, [..., H, W]."""
        level = tf.clip_by_value(tf.round(image * self._top), 0.0, self._top)
        x = 2.0 * level / self._top - 1.0
        log_prob = self._component_log_prob(
            level[..., tf.newaxis], x[..., tf.newaxis]
        )
        log_weight = tf.nn.log_softmax(self._logits)
        return tf.reduce_logsumexp(
            log_weight + tf.reduce_sum(log_prob, axis=-2), axis=-1
        )

    def _component_log_prob(self, level: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """Returns log P of each channel, [..., H, W, C, M].

        With a and b the ends of a level's bin in units of the scale,

            sigmoid(a) - sigmoid(b)
                = sigmoid(a) sigmoid(-b) (1 - exp(-(a - b)))

        which takes no difference of nearly equal numbers. The lowest level
        has b = -inf, the highest a = inf.

        Args:
            level: 0 ... K, [..., H, W, C, 1].
            x: The same, as -1 ... 1.
        """
        inverse_scale = tf.exp(-self._log_scale)
        middle = inverse_scale * (x - self._conditional_loc(x))
        width = inverse_scale * (2.0 / self._top)
        below = tf.math.softplus(-(middle + width / 2.0))
        above = tf.math.softplus(middle - width / 2.0)
        at_bottom, at_top = level <= 0.0, level >= self._tail
        # The logarithm of `width` itself is -inf where it underflows.
        log_width = math.log(2.0 / self._top) - self._log_scale
        inside = _log_one_minus_exp(width, log_width)
        return (
            tf.where(at_bottom | at_top, 0.0, inside)
            - tf.where(at_top, 0.0, below)
            - tf.where(at_bottom, 0.0, above)
        )

    def _conditional_loc(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the locations [..., H, W, C, M] given all channels' x."""
        if self._coefficients is None:
            return self._loc
        red, green = x[..., 0, :], x[..., 1, :]
        first, second, third = tf.unstack(self._coefficients, axis=-2)
        of_green = first * red
        of_blue = second * red + third * green
        shift = tf.stack([tf.zeros_like(of_green), of_green, of_blue], axis=-2)
        return self._loc + shift

    def _sample_n(self, n: int | tf.Tensor, seed: Any = None) -> tf.Tensor:
        """Draws a component for each pixel, then a level for each channel."""
        seeds = tfp.random.split_seed(seed, n=2, salt="logistic_mixture")
        shape = tf.concat([[n], tf.shape(self._logits)], axis=0)
        noise = tfd.Gumbel(0.0, 1.0).sample(shape, seed=seeds[0])
        component = tf.argmax(self._logits + noise, axis=-1)
        one_hot = tf.one_hot(component, self._logits.shape[-1])
        one_hot = one_hot[..., tf.newaxis, :]

        def chosen(values):
            return tf.reduce_sum(one_hot * values, axis=-1)

        loc, coefficients = chosen(self._loc), self._coefficients
        log_scale = tf.minimum(self._log_scale, _MAX_LOG_SCALE_OF_DRAWS)
        noise = tfd.Logistic(0.0, 1.0).sample(tf.shape(loc), seed=seeds[1])
        draws = loc + tf.exp(chosen(log_scale)) * noise
        if coefficients is not None:
            coefficients = chosen(coefficients)
        return _one_by_one(draws, coefficients, self._nearest_level)

    def _nearest_level(self, x: tf.Tensor) -> tf.Tensor:
        return tf.round(_to_unit_interval(x) * self._top) / self._top

    def _mean(self) -> tf.Tensor:
        weight = tf.nn.softmax(self._logits)[..., tf.newaxis, :]
        loc = tf.reduce_sum(weight * self._loc, axis=-1)
        coefficients = self._coefficients
        if coefficients is not None:
            coefficients = tf.reduce_sum(weight * coefficients, axis=-1)
        return _one_by_one(loc, coefficients, _to_unit_interval)


def _params_per_pixel(shape: tuple[int, ...], num_components: int) -> int:
    size = as_positive_int(num_components, "num_components")
    if len(shape) != 3 or shape[-1] not in _CHANNELS:
        raise UserError(
            "`event_shape` of DiscretizedLogisticMixture must be (height, "
            f"width, channels) with 1 or 3 channels. Received: {shape}"
        )
    return (3 if shape[-1] == 1 else 10) * size


def _log_one_minus_exp(width: tf.Tensor, log_width: tf.Tensor) -> tf.Tensor:
    """Returns log(1 - exp(-width)), however small `width` is."""
    wide = tf.math.log(-tf.math.expm1(-tf.maximum(width, _NARROW)))
    narrow = log_width - width / 2.0 + tf.square(width) / 24.0
    return tf.where(width < _NARROW, narrow, wide)


def _to_unit_interval(x: tf.Tensor) -> tf.Tensor:
    return (tf.clip_by_value(x, -1.0, 1.0) + 1.0) / 2.0


def _one_by_one(
    loc: tf.Tensor,
    coefficients: tf.Tensor | None,
    finish: Callable[[tf.Tensor], tf.Tensor],
) -> tf.Tensor:
    """Returns the channels in [0, 1], each conditioned on those before it.

    Args:
        loc: [..., C], in -1 ... 1 or beyond, before conditioning.
        coefficients: [..., 3], or None for grey images.
        finish: From a channel to its value in [0, 1].
    """
    first = finish(loc[..., 0])
    if coefficients is None:
        return first[..., tf.newaxis]
    red = 2.0 * first - 1.0
    second = finish(loc[..., 1] + coefficients[..., 0] * red)
    green = 2.0 * second - 1.0
    shift = coefficients[..., 1] * red + coefficients[..., 2] * green
    third = finish(loc[..., 2] + shift)
    return tf.stack([first, second, third], axis=-1)
