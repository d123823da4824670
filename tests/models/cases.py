"""Small models, for the tests."""

from typing import Any

import numpy as np

from keras_vae.config import ModelConfig
from keras_vae.models import GenerativeModel, build_model

__all__ = ["IMAGE", "binary_images", "grey_images", "make_model"]

IMAGE = (4, 4, 1)


def make_model(
    likelihood: str = "bernoulli",
    *,
    seed: int = 0,
    precision: str = "float32",
    total_steps: Any = 100,
    **config: Any,
) -> GenerativeModel:
    """Returns a model of `IMAGE`s, with the same weights each time."""
    sizes: dict[str, Any] = {
        "architecture": "dense",
        "latent_dim": 3,
        "hidden_units": (8,),
        "filters": (4,),
        "num_blocks": (1,),
        "dense_units": 8,
        "activation": "tanh",
        "beta_warmup": 0,
    }
    return build_model(
        ModelConfig(**{**sizes, **config}),
        IMAGE,
        likelihood=likelihood,
        seed=seed,
        precision=precision,
        total_steps=total_steps,
    )


def grey_images(num_images: int = 8, seed: int = 0) -> np.ndarray:
    """Returns images with values in [0, 1]."""
    random = np.random.default_rng(seed)
    return random.uniform(size=(num_images, *IMAGE)).astype(np.float32)


def binary_images(num_images: int = 8, seed: int = 0) -> np.ndarray:
    """Returns images with values 0 and 1."""
    return (grey_images(num_images, seed) > 0.6).astype(np.float32)
