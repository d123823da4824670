"""The prior of the variational autoencoder as it was first described."""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.config import BuildContext, StandardNormalConfig
from keras_vae.priors.prior import Prior

__all__ = ["StandardNormal", "build"]


@keras.saving.register_keras_serializable(package="keras_vae")
class StandardNormal(Prior):
    """p(z) = N(z; 0, I), without variables.

    Args:
        latent_dim: Length D of z.
        **kwargs: Arguments of `keras.layers.Layer`.

    References:
        Kingma and Welling (2014), Auto-Encoding Variational Bayes, section 3.
    """

    def build(self, input_shape: object = None) -> None:
        self.built = True

    def distribution(self) -> tfd.Distribution:
        return tfd.MultivariateNormalDiag(
            loc=tf.zeros([self.latent_dim]),
            scale_diag=tf.ones([self.latent_dim]),
        )

    def from_noise(self, noise: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
        return temperature[:, tf.newaxis] * noise


def build(
    config: StandardNormalConfig, context: BuildContext
) -> StandardNormal:
    """Returns the prior of a configuration."""
    del config  # It has no settings.
    assert context.latent_dim is not None
    return StandardNormal(context.latent_dim)
