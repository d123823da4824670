"""The variational autoencoder of Kingma and Welling."""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from keras_vae import seeds
from keras_vae.config import BuildContext, VAEConfig
from keras_vae.config.registry import build as build_part
from keras_vae.models.argument_checks import (
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
from keras_vae.models.posterior_draws import (
    base_at,
    base_from_noise,
    draw_base,
    latent_group,
    posterior_moments,
)
from keras_vae.models.prior_fitting import fit_prior
from keras_vae.networks.conditioning import (
    Condition,
    condition_on,
    conditioned,
    unconditioned,
)
from keras_vae.objectives import ELBO, Inference
from keras_vae.priors import Prior, StandardNormal

__all__ = ["VAE", "build"]


@keras.saving.register_keras_serializable(package="keras_vae")
class VAE(GenerativeModel):
    """p(x, z) = p(z) p(x|z), learned through q(z|x).

    `fit` maximises `ELBO = E_q[log p(x|z)] - KL(q(z|x) || p(z))` with one
    reparameterized draw of z for each image.

    Networks with `num_classes` make it the conditional VAE,
    p(x, z|y) = p(z) p(x|z, y) with q(z|x, y): `fit` takes (images,
    classes), every bound is one on log p(x|y), and where a method has `label`
    it must be given, int32 `[batch]`.

    Args:
        encoder: Images to q(z|x), a `keras_vae.networks.Encoder`.
        decoder: Latents to p(x|z), a `keras_vae.networks.Decoder`.
        objective: The loss of each image; `ELBO()` unless given.
        seed: Base of all noise.
        prior: p(z), a `keras_vae.priors.Prior`; N(0, I) unless given.

    Raises:
        ValueError: If the parts do not fit each other.

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
        prior: Prior | None = None,
        **kwargs: Any,
    ):
        objective = ELBO() if objective is None else objective
        super().__init__((encoder, decoder), objective, seed, **kwargs)
        self.prior = StandardNormal(self.latent_dim) if prior is None else prior
        encode = functools.partial(self.encoder, training=False)
        fit_prior(self, self.prior, (self.latent_dim,), encode)

    @property
    def noise_size(self) -> int:
        return self.prior.noise_size

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
        posterior = unconditioned(encoding).encoding
        base = draw_base(posterior, seeds.any_seed(seed), num_samples)
        return self._pass(image, encoding, base, training)

    def infer_with_noise(
        self, image: tf.Tensor, encoding: Any, noise: tf.Tensor
    ) -> Inference:
        base = base_from_noise(unconditioned(encoding).encoding, noise)
        return self._pass(image, encoding, base)

    def infer_at(
        self, image: tf.Tensor, encoding: Any, z: tf.Tensor
    ) -> Inference:
        base = base_at(unconditioned(encoding).encoding, z)
        return self._pass(image, encoding, base)

    def _pass(
        self,
        image: tf.Tensor,
        encoding: Any,
        base: tf.Tensor,
        training: bool = False,
    ) -> Inference:
        """Returns the pass of a draw, before the posterior's flow if any."""
        image = self.check_images(image)
        posterior, label = unconditioned(encoding)
        group = latent_group(posterior, self.prior.distribution(), base)
        likelihood = self.decoder(
            group.sample, training=training, **condition_on(label)
        )
        return Inference(image, likelihood, (group,), self.dequantization_nats)

    def latent_moments(
        self, image: tf.Tensor, label: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns mean and standard deviation of q(z|x), `[batch, D]` each.

        With a flow they are what it makes of the mean, and the base's
        deviations times the slopes of its steps there: exact for one step given
        the latents before, no marginal deviations of several steps.
        """
        posterior = self.run_encoder(
            image, training=False, **condition_on(label)
        )
        return posterior_moments(posterior)

    def generate(
        self,
        noise: tf.Tensor,
        temperature: tf.Tensor,
        label: tf.Tensor | None = None,
        *,
        pixel_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        z = self.prior.from_noise(noise, temperature)
        likelihood = self.decoder(z, training=False, **condition_on(label))
        return image_of(likelihood, pixel_seed)

    def reconstruct(
        self,
        image: tf.Tensor,
        training: bool = False,
        label: tf.Tensor | None = None,
    ) -> tf.Tensor:
        condition = condition_on(label)
        posterior = self.run_encoder(image, training=training, **condition)
        z, _ = posterior_moments(posterior)
        return image_of(self.decoder(z, training=training, **condition))

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
        likelihood = self.decoder(z, training=False, **condition_on(label))
        return image_of(likelihood)

    def sample(
        self,
        shape: Any,
        seed: Any = None,
        temperature: float = 1.0,
        label: tf.Tensor | None = None,
        pixels: str = "mean",
    ) -> tf.Tensor:
        check_temperature(temperature)
        count = num_samples_of(shape)
        rows = seeds.rows(seeds.any_seed(seed), count)
        return self.generate(
            seeds.row_normal(rows, self.noise_size),
            tf.fill([count], tf.cast(temperature, tf.float32)),
            label,
            pixel_seed=pixel_seed(pixels, rows),
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "prior": keras.saving.serialize_keras_object(self.prior),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "VAE":
        # A file from before there was a choice has none: it was N(0, I).
        prior = keras.saving.deserialize_keras_object(config.get("prior"))
        return super().from_config({**config, "prior": prior})


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
        prior=build_part(config.prior, context),
        num_examples=context.num_examples,
        dequantized_bits=context.dequantized_bits,
    )
