"""How much each latent dimension, and each group of them, says about images."""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import seeds
from keras_vae.objectives import LatentGroup, kl_divergence

__all__ = ["LatentStatistics", "latent_statistics"]

_ACTIVE_VARIANCE = 0.01
_ACTIVE_CHANNEL_KL = 0.1
_COLLAPSED_KL = 0.1
_GAUSSIANS = (tfd.MultivariateNormalLinearOperator, tfd.Independent)


@dataclasses.dataclass(frozen=True)
class LatentStatistics:
    """Statistics of q(z|x) over a set of images, one entry a dimension.

    Attributes:
        mean_variance: Variance over images of the posterior's mean, `[D]`;
            with a flow, of the mean before it. NaN of one image.
        kl_by_dimension: KL(q(z_d|x) || p(z_d)) averaged over images, `[D]`,
            nats, of the marginals of z_d: these add up to the whole KL where
            posterior and prior are both of independent dimensions. Between
            Gaussians it is the closed form; with a mixture it is a Monte Carlo
            estimate of one draw an image, so that a value may be below 0 by
            chance. With a flow it is each dimension's part of such an estimate
            of the whole KL, to which the parts add up, and no KL of its own.
            NaN with a prior whose marginals are unknown.
        kl_by_group: KL of each group averaged over images, `[group]`, nats.
        group_shapes: Event shape of each latent group, the top group first.
    """

    mean_variance: np.ndarray
    kl_by_dimension: np.ndarray
    kl_by_group: np.ndarray
    group_shapes: tuple[tuple[int, ...], ...]

    @property
    def active(self) -> np.ndarray:
        """Whether the `mean_variance` of a dimension is above 0.01, `[D]`.

        Where it is unknown the dimension counts as active.
        """
        return ~(self.mean_variance <= _ACTIVE_VARIANCE)

    @property
    def active_units(self) -> int | None:
        """Dimensions of a single vector whose `mean_variance` is above 0.01.

        None where that is not known.

        In a hierarchy the channels of all groups whose KL, summed over the
        positions, is above 0.1 nats: there a mean varies with the prior's.

        References:
            Burda et al. (2016), Importance Weighted Autoencoders, section 5.2;
            Vahdat and Kautz (2020), NVAE, section 4.
        """
        if len(self.group_shapes) == 1:
            unknown = np.isnan(self.mean_variance).any()
            return None if unknown else int(np.sum(self.active))
        return sum(
            int(np.sum(self._by_channel(kl, shape) > _ACTIVE_CHANNEL_KL))
            for kl, shape in zip(self._groups(), self.group_shapes, strict=True)
        )

    @property
    def num_units(self) -> int:
        """What `active_units` is out of."""
        if len(self.group_shapes) == 1:
            return len(self.kl_by_dimension)
        return sum(shape[-1] for shape in self.group_shapes)

    @property
    def collapsed_groups(self) -> list[int]:
        """Groups with a KL below 0.1 nats: they say nothing about an image."""
        return [
            int(i) for i in np.flatnonzero(self.kl_by_group < _COLLAPSED_KL)
        ]

    @property
    def order(self) -> np.ndarray:
        """Dimensions from the most to the least informative, `[D]`."""
        return np.argsort(-self.kl_by_dimension)

    def _groups(self) -> list[np.ndarray]:
        sizes = [math.prod(shape) for shape in self.group_shapes]
        return np.split(self.kl_by_dimension, np.cumsum(sizes)[:-1])

    @staticmethod
    def _by_channel(kl: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        return kl.reshape([-1, shape[-1]]).sum(axis=0)


def latent_statistics(model: Any, batches: Iterable[Any]) -> LatentStatistics:
    """Encodes all images once and returns the statistics of their posteriors.

    In a hierarchy the posterior of a group is given a draw of those above it.

    Args:
        model: A `GenerativeModel` that `has_prior`.
        batches: Images `[batch, height, width, channels]` in [0, 1], for a
            conditional model with their classes, int32 `[batch]`.
    """
    count, by_group = 0, np.zeros(len(model.group_shapes))
    sums = np.zeros([3, model.latent_dim])
    # Eager, not a tf.function: one is traced anew in each call of this.
    for index, batch in enumerate(batches):
        seed = seeds.fold_in(seeds.from_int(model.seed), index)
        image, condition = model.unpack(batch)
        encoding = model.encode(image, **condition)
        groups = model.infer(image, encoding, seed).groups
        mean = _flatten([group.posterior.mean() for group in groups])
        kl = _flatten([_kl_by_dimension(group) for group in groups])
        # A variance is a difference: float32 would make one of a constant.
        mean, kl = tf.cast(mean, tf.float64), tf.cast(kl, tf.float64)
        terms = tf.stack([mean, tf.square(mean), kl])
        sums += tf.reduce_sum(terms, axis=1).numpy()
        by_group += [float(tf.reduce_sum(g.kl_divergence)) for g in groups]
        count += int(image.shape[0])
    mean, square, kl = sums / count
    variance = square - mean**2 if count > 1 else np.full_like(mean, np.nan)
    return LatentStatistics(variance, kl, by_group / count, model.group_shapes)


def _flatten(parts: list[tf.Tensor]) -> tf.Tensor:
    rows = [tf.reshape(part, [part.shape[0], -1]) for part in parts]
    return tf.concat(rows, axis=-1)


def _kl_by_dimension(group: LatentGroup) -> tf.Tensor:
    """Returns the KL of each latent, as `group.sample`, nats."""
    posterior, prior = _marginals(group.posterior), _marginals(group.prior)
    if posterior is None or prior is None:
        return tf.fill(tf.shape(group.sample), np.nan)
    if group.base_sample is not None:
        log_q = posterior.log_prob(group.base_sample)
        if group.log_slope is not None:
            log_q -= group.log_slope
        return log_q - prior.log_prob(group.sample)
    return kl_divergence(posterior, prior, group.sample)


def _marginals(distribution: tfd.Distribution) -> tfd.Distribution | None:
    """Returns those of the latents of a Gaussian or a mixture, else None.

    Their batch shape is the batch and event shape of the distribution.
    """
    if isinstance(distribution, tfd.MixtureSameFamily):
        parts = _marginals(distribution.components_distribution)
        if parts is None:
            return None
        loc = tf.linalg.matrix_transpose(parts.mean())  # [..., latent, part]
        scale = tf.linalg.matrix_transpose(parts.stddev())
        logits = distribution.mixture_distribution.logits_parameter()
        logits = tf.broadcast_to(logits[..., tf.newaxis, :], tf.shape(loc))
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits), tfd.Normal(loc, scale)
        )
    if isinstance(distribution, _GAUSSIANS):
        return tfd.Normal(distribution.mean(), distribution.stddev())
    return None
