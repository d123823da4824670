"""Grey or colour levels: mixtures of discretized logistic distributions."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vae.config import BuildContext, DiscretizedLogisticMixtureConfig
from keras_vae.distributions.distribution_layer import DistributionLayer
from keras_vae.distributions.logistic_mixture import LogisticMixture
from keras_vae.distributions.parameters import as_positive_int, as_shape
from keras_vae.errors import UserError

__all__ = ["DiscretizedLogisticMixture", "build"]

_CHANNELS = (1, 3)
_MAX_BITS = 8
_MIN_LOG_SCALE = -7.0


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
    are levels, drawn from these very probabilities.

    `mean` is that of these probabilities, E[x]. For grey images and for red it
    is exact. Green and blue depend on the channels before them: their means
    are taken over 256 points of a lattice. For 5 bits and more half of the
    errors of this quadrature are below 1e-4, nine in ten below 6e-4; the
    largest of 8,000 random pixels was 0.0033. Fewer bits have larger ones, up
    to 0.03 for one bit. It takes hundreds of steps, and so much more time than
    `log_prob` and `sample`.

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
        """Returns `mean` as the location of all components; the rest is 0.

        The mean itself is nearer to 1/2, as a scale of 1 reaches far beyond
        the end levels.
        """
        loc = 2.0 * np.asarray(mean) - 1.0
        params = np.zeros((*loc.shape[:-1], self._params_shape[-1]), loc.dtype)
        size = self.num_components
        per_channel = (params.shape[-1] - size) // loc.shape[-1]
        for channel in range(loc.shape[-1]):
            start = size + channel * per_channel
            params[..., start : start + size] = loc[..., channel, np.newaxis]
        return params

    orders_channels = True

    @property
    def noise_size(self) -> int:
        """One uniform number for each component and each channel."""
        return self.num_components + self.event_shape[-1]

    def from_noise(
        self, params: tf.Tensor, noise: tf.Tensor, temperature: tf.Tensor
    ) -> tf.Tensor:
        """Returns levels; a temperature divides logits, multiplies scales."""
        size = self.num_components
        return self.make_distribution(params).draw(
            -tf.math.log(-tf.math.log(noise[..., :size])),
            tf.math.log(noise[..., size:]) - tf.math.log1p(-noise[..., size:]),
            temperature,
        )

    def make_distribution(self, params: tf.Tensor) -> LogisticMixture:
        """Returns the mixtures with the parameters `params`."""
        num_blocks = params.shape[-1] // self.num_components
        logits, *blocks = tf.split(params, num_blocks, axis=-1)
        kinds = (num_blocks - 1) // self.event_shape[-1]
        coefficients = None
        if kinds == 3:
            coefficients = tf.tanh(tf.stack(blocks[2::kinds], axis=-2))
        log_scale = tf.stack(blocks[1::kinds], axis=-2)
        return LogisticMixture(
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


def _params_per_pixel(shape: tuple[int, ...], num_components: int) -> int:
    size = as_positive_int(num_components, "num_components")
    if len(shape) != 3 or shape[-1] not in _CHANNELS:
        raise UserError(
            "`event_shape` of DiscretizedLogisticMixture must be (height, "
            f"width, channels) with 1 or 3 channels. Received: {shape}"
        )
    return (3 if shape[-1] == 1 else 10) * size


def build(
    config: DiscretizedLogisticMixtureConfig, context: BuildContext
) -> DiscretizedLogisticMixture:
    """Returns the likelihood of a configuration."""
    return DiscretizedLogisticMixture(
        context.image_shape, config.num_mixtures, context.num_bits
    )
