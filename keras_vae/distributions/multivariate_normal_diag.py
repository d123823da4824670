"""Normal distribution of a vector with a diagonal covariance matrix."""

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.config import BuildContext, DiagonalConfig
from keras_vae.distributions.distribution_layer import DistributionLayer
from keras_vae.distributions.parameters import as_positive_int, to_positive
from keras_vae.errors import UserError

__all__ = ["MultivariateNormalDiag", "build"]


@keras.saving.register_keras_serializable(package="keras_vae")
class MultivariateNormalDiag(DistributionLayer):
    """Normal distribution of a vector, with independent elements.

        p(z) = N(z; loc, diag(s)^2),  s_i = min_scale + softplus(raw_i + c)

    with c such that raw_i = 0 gives s_i = 1: `params` of 0 are N(0, I), where a
    Kullback-Leibler divergence to a standard normal prior is 0. Softplus
    rather than exp: one large output does not give an infinite variance.

    Shapes: `params` is [..., 2 d]: first the d loc, then the d raw scales.
    Samples are [..., d]; `log_prob` and `kl_divergence` are [...], in nats.

    Args:
        event_size: The length d of the vector.
        min_scale: Lower bound of the standard deviations, at least 0 and below
            1.
        **kwargs: Arguments of `keras.layers.Layer`.

    Attributes:
        event_shape: (d,).

    Raises:
        UserError: If an argument is not as said above.

    Example:

        class Encoder(keras.Model):
            def __init__(self, latent_dim):
                super().__init__()
                size = MultivariateNormalDiag.params_size(latent_dim)
                self.dense = keras.layers.Dense(size)
                self.posterior = MultivariateNormalDiag(latent_dim)

            def call(self, features):  # [batch, n]
                return self.posterior(self.dense(features))

        prior = tfd.MultivariateNormalDiag(tf.zeros(latent_dim))
        qz = Encoder(latent_dim)(features)
        z = qz.sample(seed=seed)  # [batch, latent_dim], reparameterized
        qz.kl_divergence(prior)  # [batch], nats

    References:
        Kingma, Welling (2014). Auto-Encoding Variational Bayes. Equation 9.
        https://arxiv.org/abs/1312.6114
    """

    is_gaussian = True

    def __init__(
        self, event_size: int, min_scale: float = 1e-5, **kwargs: Any
    ) -> None:
        size = as_positive_int(event_size, "event_size")
        super().__init__(size, **kwargs)
        if not 0.0 <= min_scale < 1.0:
            raise UserError(
                "`min_scale` must be at least 0 and below 1. "
                f"Received: {min_scale!r}"
            )
        self.event_size = size
        self.min_scale = float(min_scale)

    @staticmethod
    def params_size(event_size: int) -> int:
        """Returns two numbers, loc and raw scale, for each element."""
        return 2 * as_positive_int(event_size, "event_size")

    @property
    def num_params(self) -> int:
        """How many numbers one distribution of this layer takes."""
        return self.params_size(self.event_size)

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Returns the distribution with the loc and raw scales `params`."""
        loc, raw = tf.split(params, 2, axis=-1)
        scale_diag = to_positive(raw, 1.0, self.min_scale)
        return tfd.MultivariateNormalDiag(loc=loc, scale_diag=scale_diag)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        del config["event_shape"]  # It follows from `event_size`.
        return {
            **config,
            "event_size": self.event_size,
            "min_scale": self.min_scale,
        }


def build(
    config: DiagonalConfig, context: BuildContext
) -> MultivariateNormalDiag:
    """Returns the posterior of a configuration."""
    del config  # It has no settings.
    assert context.latent_dim is not None
    return MultivariateNormalDiag(context.latent_dim)
