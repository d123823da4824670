"""The distribution of `DiscretizedLogisticMixture`, from its parameters."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

__all__ = ["LogisticMixture"]

# With it all draws are at the ends; more would overflow.
_MAX_LOG_SCALE_OF_DRAWS = 50.0
# Below it two terms of a series are exact in float32.
_NARROW = 1e-2
# The scale above which a sigmoid is straight within -1 ... 1, to 1e-6.
_WIDE = 100.0
# A lattice of so many points (x, g x, g^2 x) modulo 1 stands for the noise of
# three channels. Of all generators g this one has the least error of `mean`.
_LATTICE_SIZE = 256
_GENERATOR = 189


class LogisticMixture(tfd.Distribution):
    """Mixtures of discretized logistic distributions, one for each pixel.

    `DiscretizedLogisticMixture` says what is computed, and how exact `mean`
    is, and makes them.

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

        def shape(of: tf.Tensor) -> tf.Tensor:
            return tf.concat([[n], of], axis=0)

        of_components = shape(tf.shape(self._logits))
        of_channels = shape(tf.shape(self._loc)[:-1])
        return self.draw(
            tfd.Gumbel(0.0, 1.0).sample(of_components, seed=seeds[0]),
            tfd.Logistic(0.0, 1.0).sample(of_channels, seed=seeds[1]),
        )

    def draw(
        self, gumbel: tf.Tensor, logistic: tf.Tensor, temperature: Any = 1.0
    ) -> tf.Tensor:
        """Returns the levels that noise stands for, [..., H, W, C].

        Args:
            gumbel: Standard Gumbel noise, [..., H, W, M]; chooses a component.
            logistic: Standard logistic noise, [..., H, W, C].
            temperature: Divides the logits and multiplies the scales,
                broadcastable to [..., H, W, 1].
        """
        component = tf.argmax(self._logits + temperature * gumbel, axis=-1)
        one_hot = tf.one_hot(component, self._logits.shape[-1])
        one_hot = one_hot[..., tf.newaxis, :]

        def chosen(values):
            return tf.reduce_sum(one_hot * values, axis=-1)

        log_scale = tf.minimum(self._log_scale, _MAX_LOG_SCALE_OF_DRAWS)
        noise = temperature * logistic
        draws = chosen(self._loc) + tf.exp(chosen(log_scale)) * noise
        coefficients = None
        if self._coefficients is not None:
            coefficients = tf.unstack(chosen(self._coefficients), axis=-1)
        # A graph that takes a row out of a batch knows no sizes.
        count = 1 if coefficients is None else 3
        levels = self._levels(tf.unstack(draws, count, axis=-1), coefficients)
        return tf.stack(levels, axis=-1)

    def _mean(self) -> tf.Tensor:
        means = [self._first_channel_mean()]
        if self._coefficients is not None:
            means += self._later_channel_means()
        weight = tf.nn.softmax(self._logits)
        mean = [tf.reduce_sum(weight * each, axis=-1) for each in means]
        # The weights sum to 1 but for rounding.
        return tf.minimum(tf.stack(mean, axis=-1), 1.0)

    def _first_channel_mean(self) -> tf.Tensor:
        """Returns the mean of each component, [..., H, W, M].

        A level of 0 ... K has the mean sum_k P(level >= k), k = 1 ... K.
        """
        loc, scale = self._loc[..., 0, :], tf.exp(self._log_scale[..., 0, :])

        def add(k: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            edge = (2.0 * tf.cast(k, tf.float32) - 1.0) / self._top - 1.0
            return k + 1, total + tf.sigmoid((loc - edge) / scale)

        total = _loop(self._top, add, 1, tf.zeros_like(loc))
        return total / self._top

    def _later_channel_means(self) -> list[tf.Tensor]:
        """Returns the means of green and blue, two times [..., H, W, M].

        Each component's channels are drawn with the noise of a lattice; what is
        added is the mean of a channel given the draws of those before it, or,
        where that is not much more than one level, its own draw.
        """
        loc = tf.unstack(self._loc, axis=-2)
        first, second, third = tf.unstack(self._coefficients, axis=-2)
        scale = tf.exp(tf.minimum(self._log_scale, _MAX_LOG_SCALE_OF_DRAWS))
        scale = tf.unstack(scale, axis=-2)
        noise = tf.constant(_logistic_lattice())

        def add(i: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            u = noise[i]
            red = self._nearest_level(loc[0] + scale[0] * u[0])
            at = loc[1] + first * (2.0 * red - 1.0)
            green = self._nearest_level(at + scale[1] * u[1])
            mean_green = self._mean_level(at, scale[1], green)
            at = loc[2] + second * (2.0 * red - 1.0)
            at += third * (2.0 * green - 1.0)
            blue = self._nearest_level(at + scale[2] * u[2])
            mean_blue = self._mean_level(at, scale[2], blue)
            return i + 1, total + tf.stack([mean_green, mean_blue])

        total = _loop(_LATTICE_SIZE, add, 0, tf.zeros_like(tf.stack(loc[1:])))
        return tf.unstack(total / _LATTICE_SIZE)

    def _mean_level(
        self, loc: tf.Tensor, scale: tf.Tensor, draw: tf.Tensor
    ) -> tf.Tensor:
        """Returns the mean level of a logistic, or a draw if that is narrow.

        With h = 2 / K the distance of the levels in -1 ... 1, the mean

            1/K sum_k sigmoid((loc - e_k) / scale)

        is the midpoint rule for an integral that is known, and for scales
        above h exact to h / 180.
        """
        # Beyond it the mean is 0 or 1, and differences would be of infinities.
        reach = 1.0 + 20.0 * scale
        loc = tf.clip_by_value(loc, -reach, reach)
        some = tf.minimum(scale, _WIDE)
        above = tf.math.softplus((loc + 1.0) / some)
        below = tf.math.softplus((loc - 1.0) / some)
        integral = some * (above - below) / 2.0
        mean = tf.where(scale > _WIDE, tf.sigmoid(loc / scale), integral)
        return tf.where(scale > 2.0 / self._top, mean, draw)

    def _levels(
        self, x: list[tf.Tensor], coefficients: list[tf.Tensor] | None
    ) -> list[tf.Tensor]:
        """Returns the levels of channels, each conditioned on those before it.

        Args:
            x: A tensor for each channel, in -1 ... 1 or beyond, before
                conditioning.
            coefficients: Three of the same shape, or None for grey images.
        """
        first = self._nearest_level(x[0])
        if coefficients is None:
            return [first]
        red = 2.0 * first - 1.0
        second = self._nearest_level(x[1] + coefficients[0] * red)
        green = 2.0 * second - 1.0
        shift = coefficients[1] * red + coefficients[2] * green
        return [first, second, self._nearest_level(x[2] + shift)]

    def _nearest_level(self, x: tf.Tensor) -> tf.Tensor:
        """Returns a level in [0, 1]; its gradient is that before rounding."""
        x = (tf.clip_by_value(x, -1.0, 1.0) + 1.0) / 2.0
        level = tf.round(x * self._top) / self._top
        return x + tf.stop_gradient(level - x)


def _logistic_lattice() -> np.ndarray:
    """Returns standard logistic noise of three channels, float32 [n, 3]."""
    point = np.arange(_LATTICE_SIZE)[:, np.newaxis]
    generator = _GENERATOR ** np.arange(3)
    u = (point * generator % _LATTICE_SIZE + 0.5) / _LATTICE_SIZE
    return np.log(u / (1.0 - u)).astype(np.float32)


def _loop(
    count: int,
    body: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
    start: int,
    total: tf.Tensor,
) -> tf.Tensor:
    """Returns what `body` makes of `total` in `count` steps."""
    _, total = tf.while_loop(
        lambda *_: True,
        body,
        (tf.constant(start), total),
        maximum_iterations=count,
    )
    return total


def _log_one_minus_exp(width: tf.Tensor, log_width: tf.Tensor) -> tf.Tensor:
    """Returns log(1 - exp(-width)), however small `width` is."""
    wide = tf.math.log(-tf.math.expm1(-tf.maximum(width, _NARROW)))
    narrow = log_width - width / 2.0 + tf.square(width) / 24.0
    return tf.where(width < _NARROW, narrow, wide)
