"""Binary pixels: independent Bernoulli distributions."""

import math
from collections.abc import Sequence

import keras
import numpy as np
import scipy.special
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.config import BernoulliConfig, BuildContext
from keras_vae.distributions.distribution_layer import DistributionLayer
from keras_vae.distributions.parameters import as_shape

__all__ = ["IndependentBernoulli", "build"]

# In place of 0, by which no logit can be divided.
_COLDEST = 1e-6


@keras.saving.register_keras_serializable(package="keras_vae")
class IndependentBernoulli(DistributionLayer):
    """One Bernoulli distribution for each element of an event.

        log p(x) = sum_i x_i l_i - softplus(l_i),   mean_i = sigmoid(l_i)

    with the logits l = `params`, and x in {0, 1}. The sum is over all axes of
    the event; `log_prob` and its gradient are finite for any finite logit.

    Shapes: `params` is [..., *event_shape] or [..., prod(event_shape)];
    samples and the mean are [..., *event_shape], `log_prob` is [...], in nats.

    Args:
        event_shape: Shape of one event, such as (28, 28, 1); an int d means
            (d,).
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:

        class Decoder(keras.Model):
            def __init__(self):
                super().__init__()
                size = IndependentBernoulli.params_size((28, 28, 1))  # 784
                self.dense = keras.layers.Dense(size)
                self.likelihood = IndependentBernoulli((28, 28, 1))

            def call(self, z):  # [batch, latent_dim]
                return self.likelihood(self.dense(z))

        px = Decoder()(z)
        px.log_prob(image)  # [batch], nats, image is [batch, 28, 28, 1]
        px.mean()  # [batch, 28, 28, 1]

    References:
        Kingma, Welling (2014). Auto-Encoding Variational Bayes. Appendix C.1.
        https://arxiv.org/abs/1312.6114
    """

    @staticmethod
    def params_size(event_shape: int | Sequence[int]) -> int:
        """Returns one logit for each element of `event_shape`."""
        return math.prod(as_shape(event_shape))

    def params_from_mean(self, mean: np.ndarray) -> np.ndarray:
        """Returns the logits of `mean`, taken to be within 0.001 ... 0.999."""
        return scipy.special.logit(np.clip(mean, 1e-3, 1 - 1e-3))

    @property
    def noise_size(self) -> int:
        """One uniform number for each channel."""
        return self.event_shape[-1]

    def from_noise(
        self, params: tf.Tensor, noise: tf.Tensor, temperature: tf.Tensor
    ) -> tf.Tensor:
        """Returns 1 where noise is below sigmoid(l / temperature), else 0."""
        colder = params / tf.maximum(temperature, _COLDEST)
        return tf.cast(noise < tf.sigmoid(colder), tf.float32)

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Returns the distribution with the logits `params`."""
        return tfd.Independent(
            _Bernoulli(logits=params, dtype=tf.float32),
            reinterpreted_batch_ndims=len(self.event_shape),
        )


class _Bernoulli(tfd.Bernoulli):
    """`tfd.Bernoulli` of logits, with a `log_prob` of one softplus, not two.

    TFP's form also serves infinite logits, which no healthy network gives,
    and costs half as much again in the innermost loop of training.
    """

    def _log_prob(self, event: tf.Tensor) -> tf.Tensor:
        logits = self.logits
        event = tf.cast(event, logits.dtype)
        return event * logits - tf.math.softplus(logits)


def build(
    config: BernoulliConfig, context: BuildContext
) -> IndependentBernoulli:
    """Returns the likelihood of a configuration."""
    del config  # It has no settings.
    return IndependentBernoulli(context.image_shape)
