"""How much each latent dimension says about the images."""

import dataclasses

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.models.vae import VAE

__all__ = ["LatentStatistics", "latent_statistics"]

_ACTIVE_VARIANCE = 0.01


@dataclasses.dataclass(frozen=True)
class LatentStatistics:
    """Statistics of q(z|x) over a set of images, one entry a dimension.

    Attributes:
        mean_variance: Variance over images of the posterior's mean, `[D]`.
        kl_by_dimension: KL(q(z_d|x) || p(z_d)) averaged over images, `[D]`,
            nats. The marginal of a full-covariance posterior is used, so that
            these add up to the whole KL for a diagonal posterior only.
    """

    mean_variance: np.ndarray
    kl_by_dimension: np.ndarray

    @property
    def active_units(self) -> int:
        """Dimensions whose `mean_variance` is above 0.01.

        Burda et al. (2016), Importance Weighted Autoencoders, section 5.2.
        """
        return int(np.sum(self.mean_variance > _ACTIVE_VARIANCE))

    @property
    def order(self) -> np.ndarray:
        """Dimensions from the most to the least informative, `[D]`."""
        return np.argsort(-self.kl_by_dimension)


def latent_statistics(model: VAE, batches: tf.data.Dataset) -> LatentStatistics:
    """Encodes all images once and returns the statistics of their posteriors.

    Args:
        model: A model whose `encode` returns q(z|x).
        batches: Images `[batch, height, width, channels]` in [0, 1].
    """

    count = 0
    sums = np.zeros([3, model.latent_dim])
    # Eager, not a tf.function: one is traced anew in each call of this.
    for image in batches:
        posterior = model.encode(image)
        mean, stddev = posterior.mean(), posterior.stddev()
        kl = tfd.Normal(mean, stddev).kl_divergence(tfd.Normal(0.0, 1.0))
        terms = tf.stack([mean, tf.square(mean), kl])
        sums += tf.reduce_sum(terms, axis=1).numpy()
        count += int(image.shape[0])
    mean, square, kl = sums / count
    return LatentStatistics(square - mean**2, kl)
