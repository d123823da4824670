"""Distributions and passes for the tests of objectives."""

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.objectives import Inference, LatentGroup

__all__ = ["LATENT_DIM", "gaussian", "standard_normal", "two_groups"]

LATENT_DIM = 3


def gaussian(seed, batch=5):
    """Returns a diagonal normal, with its loc and its scale."""
    random = np.random.default_rng(seed)
    loc = random.normal(size=[batch, LATENT_DIM])
    scale = random.uniform(0.2, 2.0, size=[batch, LATENT_DIM])
    layer = tfd.MultivariateNormalDiag(
        tf.constant(loc, tf.float32), tf.constant(scale, tf.float32)
    )
    return layer, loc, scale


def standard_normal():
    """Returns N(0, I)."""
    return tfd.MultivariateNormalDiag(tf.zeros(LATENT_DIM), tf.ones(LATENT_DIM))


def two_groups(num_samples=()):
    """Returns an inference with two latent groups, and its parts."""
    image = tf.constant(
        np.random.default_rng(4).uniform(size=[5, 2, 2, 1]), tf.float32
    )
    groups = []
    for seed in range(2):
        posterior, _, _ = gaussian(seed)
        sample = posterior.sample(num_samples, seed=[seed, 4])
        groups.append(LatentGroup(posterior, standard_normal(), sample))
    loc = tf.reduce_mean(groups[0].sample, -1)[..., None, None, None]
    likelihood = tfd.Independent(
        tfd.Normal(loc + tf.zeros([2, 2, 1]), 0.5), reinterpreted_batch_ndims=3
    )
    return Inference(image, likelihood, tuple(groups))
