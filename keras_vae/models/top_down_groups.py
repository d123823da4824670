"""The groups of a hierarchy: their choices, rows and temperatures."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.models.argument_checks import check_temperature
from keras_vae.networks.hierarchy import TopDownDecoder
from keras_vae.networks.latent_choices import Choice, Latent, fixed, from_prior
from keras_vae.objectives import LatentGroup
from keras_vae.priors import Prior

__all__ = [
    "as_latent_group",
    "each_group",
    "flatten_groups",
    "prior_choices",
    "tile_rows",
    "top_posterior",
]


def each_group(make: Callable[..., Choice], *arguments: Any) -> list[Choice]:
    """Returns the choice of each group, of its entry in each list."""
    return [make(*parts) for parts in zip(*arguments, strict=True)]


def tile_rows(x: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Repeats `[batch, ...]` as `[count * batch, ...]`, samples outermost."""
    shape = tf.shape(x)
    copies = tf.broadcast_to(x, tf.concat([[count], shape], 0))
    return tf.reshape(copies, [-1, *x.shape[1:]])


def flatten_groups(parts: Iterable[tf.Tensor]) -> tf.Tensor:
    """Returns groups `[rows, ...]`, flattened, side by side: `[rows, D]`."""
    rows = [tf.reshape(p, [tf.shape(p)[0], -1]) for p in parts]
    return tf.concat(rows, axis=-1)


def as_latent_group(latent: Latent, leading: tf.Tensor | None) -> LatentGroup:
    """Returns what an objective takes, with batch axes in place of rows.

    Args:
        latent: Of `rows` rows.
        leading: Batch shape whose product is `rows`; `[rows]` unless given.
    """
    event_shape = latent.z.shape[1:]

    def shaped(x: tf.Tensor | None) -> tf.Tensor | None:
        if x is None:
            return None
        return tf.reshape(x, tf.concat([leading, event_shape], 0))

    if leading is not None:
        # The parameters of a distribution are the tensors that it consists of.
        latent = tf.nest.map_structure(shaped, latent, expand_composites=True)
    return LatentGroup(latent.posterior, latent.prior, latent.z, latent.base)


def top_posterior(
    encoder: keras.Model, decoder: TopDownDecoder, image: tf.Tensor
) -> tfd.Distribution:
    """Returns q(z_1|x) of a group that is a vector, as the encoder of a VAE."""
    features = encoder(image, training=False)
    top = decoder.stages()[0].block
    start = decoder.start(tf.shape(image)[0], None)
    posterior = top.posterior(top.read(start), features[0])
    return tfd.MultivariateNormalDiag(posterior.mean(), posterior.stddev())


def prior_choices(
    decoder: TopDownDecoder,
    prior: Prior | None,
    noise: tf.Tensor,
    temperature: Any,
) -> list[Choice]:
    """Returns the choice of each prior's draw.

    Args:
        decoder: Knows the groups.
        prior: That of the top group; None for the decoder's own.
        noise: Standard normal, `[rows, noise_size]`.
        temperature: Multiplies the standard deviations: a number, a list with
            one for each group, or a tensor `[rows]`.

    Raises:
        ValueError: If there are not as many temperatures as groups.
    """
    scales = _per_group(temperature, decoder.group_shapes)
    if prior is None:
        return each_group(from_prior, decoder.split(noise), scales)
    size = prior.noise_size
    sizes = tf.reshape(scales[0], [-1])  # One for all rows, or for each.
    sizes = tf.broadcast_to(sizes, tf.shape(noise)[:1])
    top = prior.from_noise(noise[:, :size], sizes)
    parts = decoder.split(tf.concat([top, noise[:, size:]], axis=-1))
    below = each_group(from_prior, parts[1:], scales[1:])
    return [fixed(parts[0]), *below]


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
    if isinstance(temperature, np.ndarray):
        temperature = tf.convert_to_tensor(temperature)
    check_temperature(temperature)
    temperature = tf.cast(temperature, tf.float32)
    if temperature.shape.rank == 0:
        return [temperature] * len(shapes)
    return [
        tf.reshape(temperature, [-1] + [1] * len(shape)) for shape in shapes
    ]
