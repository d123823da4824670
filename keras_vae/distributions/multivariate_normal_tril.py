"""Normal distribution of a vector with a full covariance matrix."""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from keras_vae.config import BuildContext, FullConfig
from keras_vae.distributions.distribution_layer import DistributionLayer
from keras_vae.distributions.parameters import as_positive_int, to_positive
from keras_vae.errors import UserError

__all__ = ["MultivariateNormalTriL", "build"]


@keras.saving.register_keras_serializable(package="keras_vae")
class MultivariateNormalTriL(DistributionLayer):
    """Normal distribution of a vector, with correlated elements.

        p(z) = N(z; loc, L L^T)
        L_ij = raw_ij for i > j,  L_ii = min_scale + softplus(raw_ii + c)

    with L lower triangular, and c such that raw_ii = 0 gives L_ii = 1: `params`
    of 0 are N(0, I).

    Shapes: `params` is [..., d + d (d + 1) / 2]: first the d loc, then the
    elements of the triangle in the order of `tfp.math.fill_triangular`.
    Samples are [..., d]; `log_prob` and `kl_divergence` are [...], in nats.

    Args:
        event_size: The length d of the vector.
        min_scale: Lower bound of the diagonal of L, at least 0 and below 1.
        **kwargs: Arguments of `keras.layers.Layer`.

    Attributes:
        event_shape: (d,).

    Raises:
        UserError: If an argument is not as said above.

    Example:

        class Encoder(keras.Model):
            def __init__(self, latent_dim):
                super().__init__()
                size = MultivariateNormalTriL.params_size(latent_dim)
                self.dense = keras.layers.Dense(size)
                self.posterior = MultivariateNormalTriL(latent_dim)

            def call(self, features):  # [batch, n]
                return self.posterior(self.dense(features))

        prior = tfd.MultivariateNormalDiag(tf.zeros(latent_dim))
        qz = Encoder(latent_dim)(features)
        z = qz.sample(seed=seed)  # [batch, latent_dim], reparameterized
        qz.kl_divergence(prior)  # [batch], nats

    References:
        Kingma, Welling (2019). An Introduction to Variational Autoencoders.
        Section 2.5.1. https://arxiv.org/abs/1906.02691
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
        """Returns d of the loc and d (d + 1) / 2 of the triangle."""
        size = as_positive_int(event_size, "event_size")
        return size + size * (size + 1) // 2

    @property
    def num_params(self) -> int:
        """How many numbers one distribution of this layer takes."""
        return self.params_size(self.event_size)

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Returns the distribution with the loc and triangle `params`."""
        size = self.event_size
        loc, raw = params[..., :size], params[..., size:]
        raw = tfp.math.fill_triangular(raw)
        diag = to_positive(tf.linalg.diag_part(raw), 1.0, self.min_scale)
        return tfd.MultivariateNormalTriL(
            loc=loc, scale_tril=tf.linalg.set_diag(raw, diag)
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        del config["event_shape"]  # It follows from `event_size`.
        return {
            **config,
            "event_size": self.event_size,
            "min_scale": self.min_scale,
        }


def build(config: FullConfig, context: BuildContext) -> MultivariateNormalTriL:
    """Returns the posterior of a configuration."""
    del config  # It has no settings.
    assert context.latent_dim is not None
    return MultivariateNormalTriL(context.latent_dim)
