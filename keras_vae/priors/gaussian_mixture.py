"""A prior with several modes."""

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.config import BuildContext, MixturePriorConfig
from keras_vae.distributions.parameters import as_positive_int, to_positive
from keras_vae.priors.components import choose_component
from keras_vae.priors.prior import Prior

__all__ = ["GaussianMixture", "build"]

_MIN_SCALE = 1e-3  # No component may shrink onto one point.


@keras.saving.register_keras_serializable(package="keras_vae")
class GaussianMixture(Prior):
    """p(z) = sum_k w_k N(z; m_k, diag(s_k)^2), with w, m and s learned.

    Training begins at equal weights, s = 1 and m drawn from N(0, I). A draw
    has one number more than z: that one chooses the component, and the
    temperature multiplies the component's s.

    Args:
        latent_dim: Length D of z.
        num_components: Number K of Gaussians.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If a size is not a whole number of 1 or more.

    Example:
        >>> vae = VAE(encoder, decoder, prior=GaussianMixture(16, 20))

    References:
        Dilokthanakul et al. (2016), Deep Unsupervised Clustering with Gaussian
        Mixture Variational Autoencoders; Tomczak and Welling (2018), VAE with
        a VampPrior, section 4 ("MoG prior").
    """

    def __init__(
        self, latent_dim: int, num_components: int = 10, **kwargs: Any
    ):
        super().__init__(latent_dim, **kwargs)
        self.num_components = as_positive_int(num_components, "num_components")

    def build(self, input_shape: object = None) -> None:
        shape = (self.num_components, self.latent_dim)
        self.logits = self.add_weight(
            name="logits", shape=shape[:1], initializer="zeros"
        )
        self.loc = self.add_weight(
            name="loc",
            shape=shape,
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )
        self.raw_scale = self.add_weight(
            name="raw_scale", shape=shape, initializer="zeros"
        )
        self.built = True

    @property
    def noise_size(self) -> int:
        return self.latent_dim + 1

    def distribution(self) -> tfd.Distribution:
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=self._logits),
            tfd.MultivariateNormalDiag(self._loc, self._scale),
        )

    def from_noise(self, noise: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
        chosen = choose_component(noise[:, 0], tf.nn.softmax(self._logits))
        scale = temperature[:, tf.newaxis] * tf.gather(self._scale, chosen)
        return tf.gather(self._loc, chosen) + scale * noise[:, 1:]

    @property
    def _logits(self) -> tf.Tensor:
        return tf.convert_to_tensor(self.logits)

    @property
    def _loc(self) -> tf.Tensor:
        return tf.convert_to_tensor(self.loc)

    @property
    def _scale(self) -> tf.Tensor:
        raw = tf.convert_to_tensor(self.raw_scale)
        return to_positive(raw, 1.0, _MIN_SCALE)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_components": self.num_components}


def build(config: MixturePriorConfig, context: BuildContext) -> GaussianMixture:
    """Returns the prior of a configuration."""
    assert context.latent_dim is not None
    return GaussianMixture(context.latent_dim, config.num_components)
