"""Grey-scale pixels in [0, 1]: independent continuous Bernoullis."""

import math
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.config import BuildContext, ContinuousBernoulliConfig
from keras_vae.distributions.distribution_layer import DistributionLayer
from keras_vae.distributions.parameters import as_shape

__all__ = ["IndependentContinuousBernoulli", "build"]


@keras.saving.register_keras_serializable(package="keras_vae")
class IndependentContinuousBernoulli(DistributionLayer):
    """One continuous Bernoulli distribution for each element of an event.

        log p(x) = sum_i x_i l_i - softplus(l_i) + log C(l_i)
        C(l)     = l / tanh(l / 2),  C(0) = 2
        mean_i   = 1 / (1 - exp(-l_i)) - 1 / l_i,  and 1/2 for l_i = 0

    with the logits l = `params`, and x in [0, 1]. Without C, the
    cross-entropy of grey-scale images is not the logarithm of a density.

    Shapes: `params` is [..., *event_shape] or [..., prod(event_shape)];
    samples and the mean are [..., *event_shape], `log_prob` is [...], in nats
    (of a density: it can be positive).

    Args:
        event_shape: Shape of one event, such as (28, 28, 1); an int d means
            (d,).
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:

        class Decoder(keras.Model):
            def __init__(self):
                super().__init__()
                self.conv = keras.layers.Conv2DTranspose(1, 3, padding="same")
                self.likelihood = IndependentContinuousBernoulli((28, 28, 1))

            def call(self, features):  # [batch, 28, 28, channels]
                return self.likelihood(self.conv(features))

        px = Decoder()(features)
        px.log_prob(image)  # [batch], nats, image is [batch, 28, 28, 1]
        px.mean()  # [batch, 28, 28, 1]; not sigmoid(logits)

    References:
        Loaiza-Ganem, Cunningham (2019). The continuous Bernoulli: fixing a
        pervasive error in variational autoencoders. Equations 5 to 9.
        https://arxiv.org/abs/1907.06845
    """

    @staticmethod
    def params_size(event_shape: int | Sequence[int]) -> int:
        """Returns one logit for each element of `event_shape`."""
        return math.prod(as_shape(event_shape))

    def params_from_mean(self, mean: np.ndarray) -> np.ndarray:
        """Returns the logits of `mean`, taken to be within 0.01 ... 0.99.

        The mean as a function of the logit, `1 / (1 - e^-l) - 1 / l`, has no
        inverse in closed form and is inverted by bisection.
        """
        mean = np.clip(np.asarray(mean, np.float64), 0.01, 0.99)
        low, high = np.full_like(mean, -200.0), np.full_like(mean, 200.0)
        for _ in range(50):
            middle = (low + high) / 2
            safe = np.where(np.abs(middle) < 1e-4, 1e-4, middle)
            too_low = -1 / np.expm1(-safe) - 1 / safe < mean
            low = np.where(too_low, middle, low)
            high = np.where(too_low, high, middle)
        return (low + high) / 2

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Returns the distribution with the logits `params`."""
        return tfd.Independent(
            tfd.ContinuousBernoulli(logits=params),
            reinterpreted_batch_ndims=len(self.event_shape),
        )


def build(
    config: ContinuousBernoulliConfig, context: BuildContext
) -> IndependentContinuousBernoulli:
    """Returns the likelihood of a configuration."""
    del config  # It has no settings.
    return IndependentContinuousBernoulli(context.image_shape)
