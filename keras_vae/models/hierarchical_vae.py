"""Variational autoencoders with many groups of latent variables, top down."""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from keras_vae import seeds
from keras_vae.config import (
    BuildContext,
    HierarchicalConfig,
    StandardNormalConfig,
    check_number,
)
from keras_vae.config.registry import build as build_part
from keras_vae.models.argument_checks import draws_of, num_samples_of
from keras_vae.models.generative_model import GenerativeModel
from keras_vae.models.latent_statistics import LatentStatistics
from keras_vae.models.pictures import (
    Picture,
    reconstructions,
    resampled_groups,
    samples,
    samples_by_temperature,
)
from keras_vae.models.pixels import image_of, pixel_seed
from keras_vae.models.prior_fitting import fit_prior
from keras_vae.models.top_down_groups import (
    as_latent_group,
    each_group,
    flatten_groups,
    prior_choices,
    tile_rows,
    top_posterior,
)
from keras_vae.networks.conditioning import (
    Condition,
    condition_on,
    conditioned,
    unconditioned,
)
from keras_vae.networks.hierarchy import TopDownDecoder
from keras_vae.networks.latent_choices import Choice, from_posterior, given
from keras_vae.networks.residual_hierarchy import residual_networks
from keras_vae.objectives import ELBO, Inference

__all__ = ["HierarchicalVAE", "build"]


@keras.saving.register_keras_serializable(package="keras_vae")
class HierarchicalVAE(GenerativeModel):
    """p(x, z) = p(z_1) p(z_2|z_1) ... p(z_L|z_<L) p(x|z).

    The encoder runs once, bottom up; posteriors and priors follow each other
    top down, `q(z|x) = prod_l q(z_l|z_<l, x)`, and share the state that the
    groups above have left. All groups are diagonal Gaussians; the posterior
    may go through a volume-preserving flow.

    Networks with `num_classes` make it conditional, p(x, z|y), as in a `VAE`.

    A flat latent `[batch, latent_dim]` holds all groups, each flattened, the
    top one first (`group_shapes`).

    Args:
        encoder: A `keras_vae.networks.BottomUpEncoder`.
        decoder: A `keras_vae.networks.TopDownDecoder`.
        objective: The loss of each image; `ELBO()` unless given.
        seed: Base of all noise.
        prior: p(z_1) of a top group that is a vector, a `Prior` of
            `keras_vae.priors`; unless given that of the decoder, a Gaussian.

    Raises:
        ValueError: If the parts do not fit each other.

    References:
        Sonderby et al. (2016), Ladder Variational Autoencoders; Child (2021),
        Very Deep VAEs; Vahdat and Kautz (2020), NVAE, equations 1 and 2.
    """

    METRICS = ("elbo", "log_likelihood", "kl_divergence")
    has_latents = True
    has_prior = True
    has_likelihood = True

    def __init__(
        self,
        encoder: keras.Model,
        decoder: TopDownDecoder,
        objective: Any = None,
        seed: int = 0,
        prior: Any = None,
        **kwargs: Any,
    ):
        objective = ELBO() if objective is None else objective
        super().__init__((encoder, decoder), objective, seed, **kwargs)
        self.prior = prior
        if prior is not None:
            posterior = functools.partial(top_posterior, encoder, decoder)
            fit_prior(self, prior, self.group_shapes[0], posterior)

    @property
    def noise_size(self) -> int:
        if self.prior is None:
            return self.latent_dim
        return self.latent_dim - self.prior.latent_dim + self.prior.noise_size

    @property
    def group_shapes(self) -> tuple[tuple[int, ...], ...]:
        return self.decoder.group_shapes

    def encode(
        self,
        image: tf.Tensor,
        training: bool = False,
        label: tf.Tensor | None = None,
    ) -> Any:
        """Returns the feature of each group, the top group first.

        Those of a conditional model have their classes beside them.
        """
        condition = condition_on(label)
        features = self.run_encoder(image, training=training, **condition)
        return conditioned(features, label)

    def infer(
        self,
        image: tf.Tensor,
        encoding: Any,
        seed: tf.Tensor,
        num_samples: int | None = None,
        training: bool = False,
    ) -> Inference:
        num_samples = draws_of(num_samples)
        features, label = unconditioned(encoding)
        rows, leading = tf.shape(features[0])[0], None
        if num_samples is not None:
            leading = tf.stack([num_samples, rows])
            rows *= num_samples
            features = [tile_rows(feature, num_samples) for feature in features]
            label = None if label is None else tile_rows(label, num_samples)
        noise = self.decoder.draw_noise(rows, seeds.any_seed(seed))
        choices = each_group(from_posterior, features, noise)
        return self._infer(image, choices, rows, label, leading, training)

    def infer_with_noise(
        self, image: tf.Tensor, encoding: Any, noise: tf.Tensor
    ) -> Inference:
        features, label = unconditioned(encoding)
        choices = each_group(
            from_posterior, features, self.decoder.split(noise)
        )
        return self._infer(image, choices, tf.shape(image)[0], label)

    def infer_at(
        self, image: tf.Tensor, encoding: Any, z: tf.Tensor
    ) -> Inference:
        if not self.posterior_is_invertible:
            raise ValueError(
                "q(z|x) of given latents needs the inverse of the posteriors' "
                "flows, which they do not have. Received: a model with flows"
            )
        features, label = unconditioned(encoding)
        choices = each_group(given, features, self.decoder.split(z))
        return self._infer(image, choices, tf.shape(image)[0], label)

    @property
    def posterior_is_invertible(self) -> bool:
        return all(s.block.flow is None for s in self.decoder.stages())

    def _infer(
        self,
        image: tf.Tensor,
        choices: list[Choice],
        rows: tf.Tensor,
        label: tf.Tensor | None,
        leading: tf.Tensor | None = None,
        training: bool = False,
    ) -> Inference:
        """Goes down once; `leading` is the batch shape that the rows are of."""
        image = self.check_images(image)
        params, latents = self.decoder.descend(choices, rows, label, training)
        groups = tuple(as_latent_group(latent, leading) for latent in latents)
        if self.prior is not None:
            prior = self.prior.distribution()
            groups = (dataclasses.replace(groups[0], prior=prior), *groups[1:])
        likelihood = self.decoder.likelihood(params, leading)
        return Inference(image, likelihood, groups, self.dequantization_nats)

    def _means(
        self,
        image: tf.Tensor,
        label: tf.Tensor | None,
        training: bool = False,
    ) -> list[Choice]:
        """Returns the choice of each posterior's mean."""
        encoding = self.encode(image, training, label)
        return each_group(from_posterior, unconditioned(encoding).encoding)

    def latent_moments(
        self, image: tf.Tensor, label: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns mean and standard deviation of q(z|x), `[batch, D]` each.

        Those of a group are given the means of the groups above it. With flows
        they are the flow of the mean, and the deviation before the flow.
        """
        choices = self._means(image, label)
        _, latents = self.decoder.descend(choices, tf.shape(image)[0], label)
        return (
            flatten_groups(latent.z for latent in latents),
            flatten_groups(latent.posterior.stddev() for latent in latents),
        )

    def reconstruct(
        self,
        image: tf.Tensor,
        training: bool = False,
        label: tf.Tensor | None = None,
    ) -> tf.Tensor:
        choices = self._means(image, label, training)
        return self._show(choices, tf.shape(image)[0], label, training)

    def _show(
        self,
        choices: list[Choice],
        rows: tf.Tensor,
        label: tf.Tensor | None,
        training: bool = False,
        pixel_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Returns an image `[rows, H, W, C]` of what is chosen."""
        params, _ = self.decoder.descend(choices, rows, label, training)
        return image_of(self.decoder.likelihood(params), pixel_seed)

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
        yield resampled_groups(self, image, condition)
        if not brief:
            yield from samples_by_temperature(self, pixels)

    def decode(self, z: tf.Tensor, label: tf.Tensor | None = None) -> tf.Tensor:
        likelihood = self.decoder(z, training=False, **condition_on(label))
        return image_of(likelihood)

    def sample(
        self,
        shape: Any,
        seed: Any = None,
        temperature: Any = 1.0,
        label: tf.Tensor | None = None,
        pixels: str = "mean",
    ) -> tf.Tensor:
        rows = seeds.rows(seeds.any_seed(seed), num_samples_of(shape))
        return self.generate(
            seeds.row_normal(rows, self.noise_size),
            temperature,
            label,
            pixel_seed=pixel_seed(pixels, rows),
        )

    def generate(
        self,
        noise: tf.Tensor,
        temperature: Any,
        label: tf.Tensor | None = None,
        *,
        pixel_seed: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        choices = prior_choices(self.decoder, self.prior, noise, temperature)
        rows = tf.shape(noise)[0]
        return self._show(choices, rows, label, training, pixel_seed)

    def resample(
        self,
        image: tf.Tensor,
        num_kept: int,
        seed: Any = None,
        temperature: Any = 1.0,
        label: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Keeps an image's first groups and draws the rest from their priors.

        What stays the same over many seeds is what the first `num_kept` groups
        decide; what changes, the groups below.

        Args:
            image: `[batch, height, width, channels]` in [0, 1].
            num_kept: Groups, from the top, that are the posterior's mean.
            seed: As for `sample`.
            temperature: As for `sample`.
            label: Their classes, int32 `[batch]`.

        Returns:
            Images `[batch, height, width, channels]`.

        Raises:
            ValueError: If the model has fewer groups than `num_kept`.
        """
        groups = len(self.group_shapes)
        check_number("num_kept", num_kept, 0, whole=True, high=groups)
        count = tf.shape(image)[0]
        rows = seeds.rows(seeds.any_seed(seed), count)
        noise = seeds.row_normal(rows, self.noise_size)
        kept = self._means(image, label)[:num_kept]
        drawn = prior_choices(self.decoder, self.prior, noise, temperature)
        return self._show([*kept, *drawn[num_kept:]], count, label)

    def get_config(self) -> dict[str, Any]:
        prior = keras.saving.serialize_keras_object(self.prior)
        return {**super().get_config(), "prior": prior}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "HierarchicalVAE":
        # A file from before there was a choice has none.
        prior = keras.saving.deserialize_keras_object(config.get("prior"))
        return super().from_config({**config, "prior": prior})


def build(config: HierarchicalConfig, context: BuildContext) -> HierarchicalVAE:
    """Returns the model of a configuration."""
    likelihood = build_part(config.likelihood, context)
    networks = dataclasses.replace(context, likelihood=likelihood)
    encoder, decoder = residual_networks(config, networks)
    top = dataclasses.replace(context, latent_dim=config.top_latent_dim)
    # The decoder's own is N(0, I), whose KL has a closed form.
    own = isinstance(config.prior, StandardNormalConfig)
    return HierarchicalVAE(
        encoder,
        decoder,
        build_part(config.objective, context),
        context.seed,
        prior=None if own else build_part(config.prior, top),
        class_names=context.class_names,
        dequantized_bits=context.dequantized_bits,
        num_examples=context.num_examples,
    )
