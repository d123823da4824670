"""The variational autoencoder of Kingma and Welling."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import seeds
from keras_vae.config import BuildContext, VAEConfig
from keras_vae.config.registry import build as build_part
from keras_vae.distributions.white_noise import from_noise
from keras_vae.models.checks import (
    check_temperature,
    draws_of,
    num_samples_of,
)
from keras_vae.models.generative_model import GenerativeModel
from keras_vae.models.latent_statistics import LatentStatistics
from keras_vae.models.pictures import (
    Picture,
    reconstructions,
    samples,
    traversals,
)
from keras_vae.models.pixels import image_of, pixel_seed
from keras_vae.networks.conditioning import (
    Condition,
    condition_on,
    conditioned,
    unconditioned,
)
from keras_vae.objectives import ELBO, Inference, LatentGroup

__all__ = ["VAE", "build"]


@keras.saving.register_keras_serializable(package="keras_vae")
class VAE(GenerativeModel):
    """p(x, z) = N(z; 0, I) p(x|z), learned through q(z|x).

    `fit` maximises `ELBO = E_q[log p(x|z)] - KL(q(z|x) || p(z))` with one
    reparameterized draw of z for each image.

    Networks with `num_classes` make it the conditional VAE,
    p(x, z|y) = N(z; 0, I) p(x|z, y) with q(z|x, y): `fit` takes (images,
    classes), every bound is one on log p(x|y), and where a method has `label`
    it must be given, int32 `[batch]`.

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
        >>> grid = vae.sample([16], seed=0)

    References:
        Kingma and Welling (2014), Auto-Encoding Variational Bayes, equations
        8 (the bound) and 10 (the estimator); Rezende, Mohamed and Wierstra
        (2014), Stochastic Backpropagation. Conditional: Kingma et al. (2014),
        Semi-supervised Learning with Deep Generative Models, model M2 with
        known classes; Sohn et al. (2015), Learning Structured Output
        Representation using Deep Conditional Generative Models.
    """

    METRICS = ("elbo", "log_likelihood", "kl_divergence")
    has_latents = True
    has_prior = True
    has_likelihood = True

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        objective: Any = None,
        seed: int = 0,
        **kwargs: Any,
    ):
        objective = ELBO() if objective is None else objective
        super().__init__((encoder, decoder), objective, seed, **kwargs)

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
        self,
        image: tf.Tensor,
        training: bool = False,
        label: tf.Tensor | None = None,
    ) -> Any:
        """Returns q(z|x), batch shape `[batch]`, event shape `[latent_dim]`.

        That of a conditional model has its classes beside it.
        """
        posterior = self.run_encoder(
            image, training=training, **condition_on(label)
        )
        return conditioned(posterior, label)

    def infer(
        self,
        image: tf.Tensor,
        encoding: Any,
        seed: tf.Tensor,
        num_samples: int | None = None,
        training: bool = False,
    ) -> Inference:
        num_samples = draws_of(num_samples)
        shape = () if num_samples is None else (num_samples,)
        posterior = unconditioned(encoding).encoding
        z = posterior.sample(shape, seed=seeds.any_seed(seed))
        return self._pass(image, encoding, z, training)

    def infer_with_noise(
        self, image: tf.Tensor, encoding: Any, noise: tf.Tensor
    ) -> Inference:
        posterior = unconditioned(encoding).encoding
        z = from_noise(posterior, noise)
        return self.infer_at(image, encoding, z)

    def infer_at(
        self, image: tf.Tensor, encoding: Any, z: tf.Tensor
    ) -> Inference:
        return self._pass(image, encoding, z)

    def _pass(
        self,
        image: tf.Tensor,
        encoding: Any,
        z: tf.Tensor,
        training: bool = False,
    ) -> Inference:
        image = self.check_images(image)
        posterior, label = unconditioned(encoding)
        group = LatentGroup(posterior=posterior, prior=self.prior, sample=z)
        likelihood = self.decoder(z, training=training, **condition_on(label))
        return Inference(image, likelihood, (group,), self.dequantization_nats)

    def latent_moments(
        self, image: tf.Tensor, label: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        posterior = self.run_encoder(
            image, training=False, **condition_on(label)
        )
        return posterior.mean(), posterior.stddev()

    def generate(
        self,
        noise: tf.Tensor,
        temperature: tf.Tensor,
        label: tf.Tensor | None = None,
        *,
        pixel_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        z = temperature[:, tf.newaxis] * noise
        return image_of(
            self.decoder(z, training=False, **condition_on(label)), pixel_seed
        )

    def reconstruct(
        self,
        image: tf.Tensor,
        training: bool = False,
        label: tf.Tensor | None = None,
    ) -> tf.Tensor:
        condition = condition_on(label)
        z = self.run_encoder(image, training=training, **condition).mean()
        return self.decoder(z, training=training, **condition).mean()

    def metric_values(self, inference: Inference) -> dict[str, tf.Tensor]:
        return {name: getattr(inference, name) for name in self.METRICS}

    def pictures(
        self,
        image: tf.Tensor,
        condition: Condition,
        statistics: LatentStatistics | None = None,
        pixels: str = "mean",
        brief: bool = False,
    ) -> Iterator[Picture]:
        yield reconstructions(self, image, condition)
        yield samples(self, pixels)
        if statistics is not None:
            yield traversals(self, image, condition, statistics)

    def decode(self, z: tf.Tensor, label: tf.Tensor | None = None) -> tf.Tensor:
        """Returns p(x|z)'s mean `[batch, H, W, C]` for `z [batch, D]`."""
        return self.decoder(z, training=False, **condition_on(label)).mean()

    def sample(
        self,
        shape: Any,
        seed: Any = None,
        temperature: float = 1.0,
        label: tf.Tensor | None = None,
        pixels: str = "mean",
    ) -> tf.Tensor:
        """Draws z from the prior and returns an image of p(x|z).

        Args:
            shape: `[num_images]`.
            seed: A whole number or an int32 `[2]`: the same seed gives the
                same images. None draws others in each call, as Keras's layers
                do; `keras.utils.set_random_seed` makes them repeatable.
            temperature: Multiplies the prior's standard deviation, at least 0.
            label: Their classes, int32 `[num_images]`.
            pixels: `mean` returns the mean of p(x|z), `draw` a draw from it.

        Returns:
            Images `[num_images, height, width, channels]`.
        """
        check_temperature(temperature)
        seed = seeds.any_seed(seed)
        z = self.prior.sample([num_samples_of(shape)], seed=seed)
        likelihood = self.decoder(
            temperature * z, training=False, **condition_on(label)
        )
        return image_of(likelihood, pixel_seed(pixels, seed))


def build(config: VAEConfig, context: BuildContext) -> VAE:
    """Returns the model of a configuration."""
    context = dataclasses.replace(context, latent_dim=config.latent_dim)
    networks = dataclasses.replace(
        context,
        likelihood=build_part(config.likelihood, context),
        posterior=build_part(config.posterior, context),
    )
    encoder, decoder = build_part(config.architecture, networks)
    return VAE(
        encoder,
        decoder,
        build_part(config.objective, context),
        context.seed,
        class_names=context.class_names,
        dequantized_bits=context.dequantized_bits,
    )
