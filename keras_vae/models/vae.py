"""The variational autoencoder of Kingma and Welling."""

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.models.generative_model import GenerativeModel
from keras_vae.objectives import ELBO, Inference, LatentGroup

__all__ = ["VAE"]


@keras.saving.register_keras_serializable(package="keras_vae")
class VAE(GenerativeModel):
    """p(x, z) = N(z; 0, I) p(x|z), learned through q(z|x).

    `fit` maximises `ELBO = E_q[log p(x|z)] - KL(q(z|x) || p(z))` with one
    reparameterized draw of z for each image.

    Args:
        encoder: Images to q(z|x), a `keras_vae.networks.Encoder`.
        decoder: Latents to p(x|z), a `keras_vae.networks.Decoder`.
        objective: The loss of each image; `ELBO()` unless given.
        seed: Base of all noise.

    Example:
        >>> posterior = MultivariateNormalDiag(16)
        >>> likelihood = IndependentBernoulli((28, 28, 1))
        >>> vae = VAE(
        ...     DenseEncoder(posterior, (28, 28, 1)),
        ...     DenseDecoder(likelihood, latent_dim=16),
        ... )
        >>> vae.compile(optimizer="adam")
        >>> vae.fit(images, batch_size=128, epochs=10)
        >>> grid = vae.sample([16], seed=(0, 0))

    References:
        Kingma and Welling (2014), Auto-Encoding Variational Bayes, equations
        8 (the bound) and 10 (the estimator); Rezende, Mohamed and Wierstra
        (2014), Stochastic Backpropagation.
    """

    METRICS = ("elbo", "log_likelihood", "kl_divergence")

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        objective: Any = None,
        seed: int = 0,
        **kwargs: Any,
    ):
        objective = ELBO() if objective is None else objective
        super().__init__(encoder, decoder, objective, seed, **kwargs)

    @property
    def prior(self) -> tfd.Distribution:
        """p(z), a standard Gaussian with event shape `[latent_dim]`."""
        return tfd.MultivariateNormalDiag(
            loc=tf.zeros([self.latent_dim]),
            scale_diag=tf.ones([self.latent_dim]),
        )

    @property
    def group_shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((self.latent_dim,),)

    def encode(
        self, image: tf.Tensor, training: bool = False
    ) -> tfd.Distribution:
        """Returns q(z|x), batch shape `[batch]`, event shape `[latent_dim]`."""
        del training  # The networks have no layer that depends on it.
        return self.encoder(image)

    def infer(
        self,
        image: tf.Tensor,
        encoding: tfd.Distribution,
        seed: tf.Tensor,
        num_samples: int | None = None,
        training: bool = False,
    ) -> Inference:
        del training
        shape = () if num_samples is None else (num_samples,)
        return self._pass(image, encoding, encoding.sample(shape, seed=seed))

    def infer_with_noise(
        self, image: tf.Tensor, encoding: tfd.Distribution, noise: tf.Tensor
    ) -> Inference:
        z = encoding.loc + encoding.scale.matvec(noise)
        return self._pass(image, encoding, z)

    def infer_at(
        self, image: tf.Tensor, encoding: tfd.Distribution, z: tf.Tensor
    ) -> Inference:
        return self._pass(image, encoding, z)

    def _pass(
        self, image: tf.Tensor, posterior: tfd.Distribution, z: tf.Tensor
    ) -> Inference:
        group = LatentGroup(posterior=posterior, prior=self.prior, sample=z)
        return Inference(image, self.decoder(z), (group,))

    def latent_moments(self, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        posterior = self.encode(image)
        return posterior.mean(), posterior.stddev()

    def generate(self, noise: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
        return self.decode(temperature[:, tf.newaxis] * noise)

    def reconstruct(self, image: tf.Tensor) -> tf.Tensor:
        return self.decoder(self.encoder(image).mean()).mean()

    def metric_values(self, inference: Inference) -> dict[str, tf.Tensor]:
        return {name: getattr(inference, name) for name in self.METRICS}

    def decode(self, z: tf.Tensor) -> tf.Tensor:
        """Returns p(x|z)'s mean `[batch, H, W, C]` for `z [batch, D]`."""
        return self.decoder(z).mean()

    def sample(
        self, shape: Any, seed: tf.Tensor, temperature: float = 1.0
    ) -> tf.Tensor:
        """Draws z from the prior and returns the likelihood's mean.

        Args:
            shape: `[num_images]`.
            seed: int32 `[2]`.
            temperature: Multiplies the prior's standard deviation.

        Returns:
            Images `[num_images, height, width, channels]`.
        """
        z = self.prior.sample(shape, seed=tf.convert_to_tensor(seed))
        return self.decode(temperature * z)
