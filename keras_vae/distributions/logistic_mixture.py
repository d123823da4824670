"""The distribution of `DiscretizedLogisticMixture`, from its parameters."""

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

__all__ = ["LogisticMixture"]

# With it all draws are at the ends; more would overflow.
_MAX_LOG_SCALE_OF_DRAWS = 50.0
# Below it two terms of a series are exact in float32.
_NARROW = 1e-2


class LogisticMixture(tfd.Distribution):
    """Mixtures of discretized logistic distributions, one for each pixel.

    `DiscretizedLogisticMixture` says what is computed and makes them.

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
