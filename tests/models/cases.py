"""Small models, for the tests."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_vae.config import (
    HierarchicalConfig,
    ModelConfig,
    NVAEConfig,
    VAEConfig,
)
from keras_vae.models import GenerativeModel, build_model

__all__ = [
    "IMAGE",
    "binary_images",
    "grey_images",
    "make_hierarchical",
    "make_model",
    "make_nvae",
]

IMAGE = (4, 4, 1)


def make_model(
    likelihood: str = "bernoulli",
    *,
    seed: int = 0,
    precision: str = "float32",
    total_steps: Any = 100,
    class_names: Sequence[str] = (),
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
    return _build(
        VAEConfig(**{**sizes, **config}),
        likelihood,
        seed=seed,
        precision=precision,
        total_steps=total_steps,
        class_names=class_names,
    )


def make_hierarchical(
    likelihood: str = "bernoulli", *, seed: int = 0, **config: Any
) -> GenerativeModel:
    """Returns a `HierarchicalVAE` with three groups, the same each time."""
    sizes: dict[str, Any] = {
        "filters": (4, 6),
        "bottlenecks": (3, 4),
        "encoder_blocks": (1, 1),
        "decoder_blocks": (1, 1),
        "num_groups": (1, 1),
        "latent_channels": 2,
        "top_latent_dim": 3,
        "dense_units": 8,
        "dense_groups": 0,
        "activation": "tanh",
        "beta_warmup": 0,
        "importance_samples": 1,
    }
    return _build(
        HierarchicalConfig(**{**sizes, **config}), likelihood, seed=seed
    )


def make_nvae(
    likelihood: str = "bernoulli", *, seed: int = 0, **config: Any
) -> GenerativeModel:
    """Returns an `NVAE` with two scales of a group, the same each time."""
    sizes: dict[str, Any] = {
        "channels": 4,
        "num_groups": 1,
        "latent_channels": 2,
        "num_blocks": 0,
        "beta_warmup": 0,
    }
    return _build(NVAEConfig(**{**sizes, **config}), likelihood, seed=seed)


def _build(
    config: ModelConfig, likelihood: str, **arguments: Any
) -> GenerativeModel:
    return build_model(config, IMAGE, likelihood=likelihood, **arguments)


def grey_images(num_images: int = 8, seed: int = 0) -> np.ndarray:
    """Returns images with values in [0, 1]."""
    random = np.random.default_rng(seed)
    return random.uniform(size=(num_images, *IMAGE)).astype(np.float32)


def binary_images(num_images: int = 8, seed: int = 0) -> np.ndarray:
    """Returns images with values 0 and 1."""
    return (grey_images(num_images, seed) > 0.6).astype(np.float32)
