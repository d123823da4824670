"""How a model takes its prior."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.priors import Prior

__all__ = ["fit_prior"]


def fit_prior(
    model: Any,
    prior: Prior,
    shape: tuple[int, ...],
    encode: Callable[[tf.Tensor], tfd.Distribution],
) -> None:
    """Connects and builds a prior, once it fits the model.

    Args:
        model: The model.
        prior: Its prior.
        shape: Event shape of the latents that it is a prior of.
        encode: Images to the posterior of that vector; no layer, or the model
            would save its encoder twice.

    Raises:
        ValueError: If it does not fit.
    """
    kind = type(prior).__name__
    if (prior.latent_dim,) != shape:
        raise ValueError(
            f"`prior` must be one of the (top) latents, of shape {shape}. "
            f"Received: latent_dim={prior.latent_dim}"
        )
    if prior.needs_encoder:
        if model.num_classes:
            raise ValueError(
                f"`prior` must not be a {kind}, which has no classes for the "
                "encoder: a conditional model takes another one. "
                f"Received: num_classes={model.num_classes}"
            )
        posterior = getattr(model.encoder, "distribution", None)
        if not getattr(posterior, "is_gaussian", True):
            raise ValueError(
                f"`prior` must not be a {kind} where q(z|x) is no Gaussian: "
                "its mixture needs the density of every posterior. "
                f"Received: {type(posterior).__name__}"
            )
        prior.connect(encode)
    if not prior.built:  # One from a file is.
        with keras.name_scope(model.name):
            prior.build()
