"""Variational autoencoders with many groups of latent variables, top down."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import seeds
from keras_vae.config import BuildContext, HierarchicalConfig, check_number
from keras_vae.config.registry import build as build_part
from keras_vae.models.checks import (
    check_temperature,
    draws_of,
    num_samples_of,
)
from keras_vae.models.generative_model import GenerativeModel
from keras_vae.models.pixels import image_of, pixel_seed
from keras_vae.networks import ResidualBottomUp, ResidualTopDown
from keras_vae.networks.hierarchy import LocScale, TopDownDecoder
from keras_vae.objectives import ELBO, Inference, LatentGroup

__all__ = ["HierarchicalVAE", "build"]


@keras.saving.register_keras_serializable(package="keras_vae")
class HierarchicalVAE(GenerativeModel):
    """p(x, z) = p(z_1) p(z_2|z_1) ... p(z_L|z_<L) p(x|z).

    The encoder runs once, bottom up; posteriors and priors follow each other
    top down, `q(z|x) = prod_l q(z_l|z_<l, x)`, and share the state that the
    groups above have left. All groups are diagonal Gaussians; the posterior
    may go through a volume-preserving flow.

    A flat latent `[batch, latent_dim]` holds all groups, each flattened, the
    top one first (`group_shapes`).

    Args:
        encoder: A `keras_vae.networks.BottomUpEncoder`.
        decoder: A `keras_vae.networks.TopDownDecoder`.
        objective: The loss of each image; `ELBO()` unless given.
        seed: Base of all noise.

    References:
        Sonderby et al. (2016), Ladder Variational Autoencoders; Child (2021),
        Very Deep VAEs; Vahdat and Kautz (2020), NVAE, equations 1 and 2.
    """

    METRICS = ("elbo", "log_likelihood", "kl_divergence")

    def __init__(
        self,
        encoder: keras.Model,
        decoder: TopDownDecoder,
        objective: Any = None,
        seed: int = 0,
        **kwargs: Any,
    ):
        objective = ELBO() if objective is None else objective
        super().__init__(encoder, decoder, objective, seed, **kwargs)

    @property
    def group_shapes(self) -> tuple[tuple[int, ...], ...]:
        return self.decoder.group_shapes

    def encode(
        self, image: tf.Tensor, training: bool = False
    ) -> list[tf.Tensor]:
        """Returns the feature of each group, the top group first."""
        return self.run_encoder(image, training=training)

    def infer(
        self,
        image: tf.Tensor,
        encoding: list[tf.Tensor],
        seed: tf.Tensor,
        num_samples: int | None = None,
        training: bool = False,
    ) -> Inference:
        num_samples = draws_of(num_samples)
        rows = tf.shape(encoding[0])[0]
        if num_samples is not None:
            rows *= num_samples
        noise = self.draw_noise(rows, seeds.any_seed(seed))
        return self._pass(image, encoding, noise, num_samples, training)

    def infer_with_noise(
        self, image: tf.Tensor, encoding: list[tf.Tensor], noise: tf.Tensor
    ) -> Inference:
        return self._pass(image, encoding, self.decoder.split(noise))

    def infer_at(
        self, image: tf.Tensor, encoding: list[tf.Tensor], z: tf.Tensor
    ) -> Inference:
        groups = range(len(self.group_shapes))
        if any(self.decoder.flow(index) is not None for index in groups):
            raise ValueError(
                "q(z|x) of given latents needs the inverse of the posteriors' "
                "flows, which they do not have. Received: a model with flows"
            )
        return self._pass(image, encoding, self.decoder.split(z), given=True)

    def draw_noise(self, rows: tf.Tensor, seed: tf.Tensor) -> list[tf.Tensor]:
        """Returns standard normal `[rows, *shape]` for each group."""
        return [
            tf.random.stateless_normal(
                [rows, *shape], seeds.fold_in(seed, index)
            )
            for index, shape in enumerate(self.group_shapes)
        ]

    def _pass(
        self,
        image: tf.Tensor,
        features: list[tf.Tensor],
        noise: list[tf.Tensor],
        num_samples: int | None = None,
        training: bool = False,
        given: bool = False,
    ) -> Inference:
        """Goes down with one noise, or with `given` one z, for each group."""
        image = self.check_images(image)
        batch, leading = tf.shape(image)[0], None
        if num_samples is not None:
            leading = tf.stack([num_samples, batch])
            features = [_tile(feature, num_samples) for feature in features]
        groups: list[LatentGroup] = []

        def choose(index: int, prior: LocScale, posterior: Any) -> tf.Tensor:
            loc_scale = posterior(features[index])
            base, z = None, noise[index]
            if not given:
                base, z = self._draw(index, loc_scale, z)
            groups.append(_group(prior, loc_scale, z, base, leading))
            return z

        rows = tf.shape(features[0])[0]
        params = self.decoder.descend(rows, choose, training)
        likelihood = self.decoder.likelihood(params, leading)
        return Inference(
            image, likelihood, tuple(groups), self.dequantization_nats
        )

    def _draw(
        self, index: int, loc_scale: LocScale, noise: Any
    ) -> tuple[tf.Tensor | None, tf.Tensor]:
        """Returns the draw before the group's flow, if it has one, and z."""
        loc, scale = loc_scale
        z = loc + scale * noise
        flow = self.decoder.flow(index)
        return (None, z) if flow is None else (z, flow(z))

    def latent_moments(self, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns mean and standard deviation of q(z|x), `[batch, D]` each.

        Those of a group are given the means of the groups above it. With flows
        they are the flow of the mean, and the deviation before the flow.
        """
        features = self.encode(image)
        moments: list[LocScale] = []

        def choose(index: int, prior: LocScale, posterior: Any) -> tf.Tensor:
            loc_scale = posterior(features[index])
            _, z = self._draw(index, loc_scale, 0.0)
            moments.append((z, loc_scale[1]))
            return z

        self.decoder.descend(tf.shape(image)[0], choose)
        return _flatten(m for m, _ in moments), _flatten(s for _, s in moments)

    def reconstruct(
        self, image: tf.Tensor, training: bool = False
    ) -> tf.Tensor:
        features = self.encode(image, training)

        def choose(index: int, prior: LocScale, posterior: Any) -> tf.Tensor:
            return self._draw(index, posterior(features[index]), 0.0)[1]

        params = self.decoder.descend(tf.shape(image)[0], choose, training)
        return self.decoder.likelihood(params).mean()

    def metric_values(self, inference: Inference) -> dict[str, tf.Tensor]:
        return {name: getattr(inference, name) for name in self.METRICS}

    def decode(self, z: tf.Tensor) -> tf.Tensor:
        """Returns p(x|z)'s mean `[batch, H, W, C]` for `z [batch, D]`."""
        return self.decoder(z, training=False).mean()

    def sample(
        self,
        shape: Any,
        seed: Any = None,
        temperature: Any = 1.0,
        pixels: str = "mean",
    ) -> tf.Tensor:
        """Draws z from the prior, top down, and returns an image of p(x|z).

        Args:
            shape: `[num_images]`.
            seed: A whole number or an int32 `[2]`: the same seed gives the
                same images. None draws others in each call, as Keras's layers
                do; `keras.utils.set_random_seed` makes them repeatable.
            temperature: Multiplies the priors' standard deviations: one number
                of at least 0, or one for each group, the top group first.
            pixels: `mean` returns the mean of p(x|z), `draw` a draw from it.

        Returns:
            Images `[num_images, height, width, channels]`.
        """
        seed = seeds.any_seed(seed)
        noise = self.draw_noise(num_samples_of(shape), seed)
        return self._generate(
            noise, temperature, False, pixel_seed(pixels, seed)
        )

    def generate(
        self,
        noise: tf.Tensor,
        temperature: tf.Tensor,
        *,
        pixel_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        return self._generate(
            self.decoder.split(noise), temperature, False, pixel_seed
        )

    def _generate(
        self,
        noise: list[tf.Tensor],
        temperature: Any,
        training: bool,
        pixel_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        scales = _per_group(temperature, self.group_shapes)

        def choose(index: int, prior: LocScale, posterior: Any) -> tf.Tensor:
            loc, scale = prior
            return loc + scales[index] * scale * noise[index]

        params = self.decoder.descend(tf.shape(noise[0])[0], choose, training)
        return image_of(self.decoder.likelihood(params), pixel_seed)

    def resample(
        self,
        image: tf.Tensor,
        num_kept: int,
        seed: Any = None,
        temperature: Any = 1.0,
    ) -> tf.Tensor:
        """Keeps an image's first groups and draws the rest from their priors.

        What stays the same over many seeds is what the first `num_kept` groups
        decide; what changes, the groups below.

        Args:
            image: `[batch, height, width, channels]` in [0, 1].
            num_kept: Groups, from the top, that are the posterior's mean.
            seed: As for `sample`.
            temperature: As for `sample`.

        Returns:
            Images `[batch, height, width, channels]`.

        Raises:
            ValueError: If the model has fewer groups than `num_kept`.
        """
        groups = len(self.group_shapes)
        check_number("num_kept", num_kept, 0, whole=True, high=groups)
        features = self.encode(image)
        rows = tf.shape(image)[0]
        noise = self.draw_noise(rows, seeds.any_seed(seed))
        scales = _per_group(temperature, self.group_shapes)

        def choose(index: int, prior: LocScale, posterior: Any) -> tf.Tensor:
            if index < num_kept:
                return self._draw(index, posterior(features[index]), 0.0)[1]
            loc, scale = prior
            return loc + scales[index] * scale * noise[index]

        params = self.decoder.descend(rows, choose)
        return self.decoder.likelihood(params).mean()


def _tile(x: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Repeats `[batch, ...]` as `[count * batch, ...]`, samples outermost."""
    shape = tf.shape(x)
    copies = tf.broadcast_to(x, tf.concat([[count], shape], 0))
    return tf.reshape(copies, [-1, *x.shape[1:]])


def _flatten(parts: Any) -> tf.Tensor:
    rows = [tf.reshape(p, [tf.shape(p)[0], -1]) for p in parts]
    return tf.concat(rows, axis=-1)


def _group(
    prior: LocScale,
    posterior: LocScale,
    z: tf.Tensor,
    base: tf.Tensor | None,
    leading: tf.Tensor | None,
) -> LatentGroup:
    event_shape = z.shape[1:]

    def shaped(x: tf.Tensor) -> tf.Tensor:
        if leading is None:
            return x
        return tf.reshape(x, tf.concat([leading, event_shape], 0))

    def normal(loc_scale: LocScale) -> tfd.Distribution:
        loc, scale = loc_scale
        return tfd.Independent(
            tfd.Normal(shaped(loc), shaped(scale)), len(event_shape)
        )

    return LatentGroup(
        normal(posterior),
        normal(prior),
        shaped(z),
        None if base is None else shaped(base),
    )


def _per_group(
    temperature: Any, shapes: Sequence[Sequence[int]]
) -> list[tf.Tensor]:
    """Returns one factor for each group, broadcastable to its latents.

    Args:
        temperature: A number, a list with one for each group, or a tensor
            `[batch]` with one for each row.
        shapes: Event shape of each group.
    """
    if isinstance(temperature, (list, tuple)):
        for one in temperature:
            check_temperature(one)
        if len(temperature) != len(shapes):
            raise ValueError(
                f"`temperature` must be one number or one for each of the "
                f"{len(shapes)} groups. Received: {temperature}"
            )
        return [tf.cast(t, tf.float32) for t in temperature]
    if not isinstance(temperature, np.ndarray):
        check_temperature(temperature)
    temperature = tf.convert_to_tensor(temperature, tf.float32)
    if temperature.shape.rank == 0:
        return [temperature] * len(shapes)
    return [
        tf.reshape(temperature, [-1] + [1] * len(shape)) for shape in shapes
    ]


def build(config: HierarchicalConfig, context: BuildContext) -> HierarchicalVAE:
    """Returns the model of a configuration."""
    sizes: dict[str, Any] = {
        "filters": config.filters,
        "bottlenecks": config.bottlenecks,
        "num_groups": config.num_groups,
        "dense_units": config.dense_units,
        "dense_groups": config.dense_groups,
        "dense_bottleneck": config.dense_bottleneck,
        "activation": config.activation,
    }
    likelihood = build_part(config.likelihood, context)
    encoder = ResidualBottomUp(
        context.image_shape, num_blocks=config.encoder_blocks, **sizes
    )
    decoder = ResidualTopDown(
        likelihood,
        num_blocks=config.decoder_blocks,
        latent_channels=config.latent_channels,
        top_latent_dim=config.top_latent_dim,
        dense_latent_dim=config.dense_latent_dim,
        upsampling=config.upsampling,
        **sizes,
    )
    return HierarchicalVAE(
        encoder,
        decoder,
        build_part(config.objective, context),
        context.seed,
        dequantized_bits=context.dequantized_bits,
    )
