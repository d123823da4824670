"""The plain autoencoder: no prior, no noise, squared error."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from keras_vae.config import AutoencoderConfig, BuildContext
from keras_vae.config.registry import build as build_part
from keras_vae.distributions import Deterministic
from keras_vae.models.argument_checks import draws_of
from keras_vae.models.generative_model import GenerativeModel
from keras_vae.models.latent_statistics import LatentStatistics
from keras_vae.models.pictures import Picture, reconstructions
from keras_vae.models.pixels import image_of
from keras_vae.networks.conditioning import Condition
from keras_vae.objectives import Inference, SquaredError

__all__ = ["Autoencoder", "build"]


@keras.saving.register_keras_serializable(package="keras_vae")
class Autoencoder(GenerativeModel):
    """x_hat = decoder(encoder(x)), trained on `L = ||x - x_hat||^2`.

    It compresses and repairs, but it has no p(z): it cannot be sampled and
    gives no likelihood, which is what a `VAE` adds.

    Args:
        encoder: Images to codes, a `keras_vae.networks.Encoder` that ends in
            a `Deterministic` layer.
        decoder: Codes to images, a `keras_vae.networks.Decoder`; the mean of
            its distribution is x_hat.
        objective: The loss of each image; `SquaredError()` unless given.
        seed: Unused by the model itself; kept with its configuration.

    References:
        Hinton and Salakhutdinov (2006), Reducing the Dimensionality of Data
        with Neural Networks.
    """

    METRICS = ("squared_error",)
    has_latents = True

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        objective: Any = None,
        seed: int = 0,
        **kwargs: Any,
    ):
        objective = SquaredError() if objective is None else objective
        super().__init__((encoder, decoder), objective, seed, **kwargs)

    def encode(self, image: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the codes `[batch, latent_dim]`."""
        return self.run_encoder(image, training=training).mean()

    def infer(
        self,
        image: tf.Tensor,
        encoding: tf.Tensor,
        seed: tf.Tensor,
        num_samples: int | None = None,
        training: bool = False,
    ) -> Inference:
        draws_of(num_samples)  # Checks it; nothing is drawn.
        del seed
        image = self.check_images(image)
        likelihood = self.decoder(encoding, training=training)
        return Inference(image, likelihood, (), self.dequantization_nats)

    def reconstruct(
        self, image: tf.Tensor, training: bool = False
    ) -> tf.Tensor:
        code = self.encode(image, training)
        return image_of(self.decoder(code, training=training))

    def metric_values(self, inference: Inference) -> dict[str, tf.Tensor]:
        error = inference.image - inference.likelihood.mean()
        return {"squared_error": tf.reduce_sum(tf.square(error), [1, 2, 3])}

    def pictures(
        self,
        image: tf.Tensor,
        condition: Condition,
        statistics: LatentStatistics | None = None,
        pixels: str = "mean",
        brief: bool = False,
    ) -> Iterator[Picture]:
        yield reconstructions(self, image, condition)

    def decode(self, z: tf.Tensor) -> tf.Tensor:
        """Returns images `[batch, H, W, C]` for codes `z [batch, D]`."""
        return image_of(self.decoder(z, training=False))


def build(config: AutoencoderConfig, context: BuildContext) -> Autoencoder:
    """Returns the model of a configuration."""
    context = dataclasses.replace(context, latent_dim=config.latent_dim)
    networks = dataclasses.replace(
        context,
        likelihood=build_part(config.likelihood, context),
        posterior=Deterministic(config.latent_dim),
    )
    encoder, decoder = build_part(config.architecture, networks)
    return Autoencoder(
        encoder,
        decoder,
        build_part(config.objective, context),
        context.seed,
        dequantized_bits=context.dequantized_bits,
        num_examples=context.num_examples,
    )
