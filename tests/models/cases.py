"""Small models, for the tests."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_vae.config import (
    AutoencoderConfig,
    AutoregressiveConfig,
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
    "make_autoregressive",
    "make_hierarchical",
    "make_model",
    "make_nvae",
]

IMAGE = (4, 4, 1)
_NETWORKS: dict[str, dict[str, Any]] = {
    "dense": {"hidden_units": (8,), "activation": "tanh"},
    "convolutional": {
        "filters": (4,),
        "dense_units": 8,
        "activation": "tanh",
    },
    "residual": {
        "filters": (4,),
        "num_blocks": (1,),
        "dense_units": 8,
        "activation": "tanh",
    },
}


def make_model(
    likelihood: str | dict[str, Any] = "bernoulli",
    *,
    model: str = "vae",
    seed: int = 0,
    precision: str = "float32",
    total_steps: Any = 100,
    class_names: Sequence[str] = (),
    architecture: str = "dense",
    **config: Any,
) -> GenerativeModel:
    """Returns a model of `IMAGE`s, with the same weights each time.

    Args:
        likelihood: Its name, or a dict of that and its settings.
        model: `vae` or `autoencoder`.
        seed: Base of weights and noise.
        precision: Of the networks.
        total_steps: Length of the run.
        class_names: Of a conditional model.
        architecture: Name of the networks, which are small.
        **config: Other settings of the model; of a part, as a dict.
    """
    networks = {"name": architecture, **_NETWORKS[architecture]}
    networks |= config.pop("networks", {})
    if model == "vae":
        config["objective"] = _without_warmup(config)
    kinds = {"vae": VAEConfig, "autoencoder": AutoencoderConfig}
    return _build(
        kinds[model](
            likelihood=likelihood,
            **{"architecture": networks, "latent_dim": 3, **config},
        ),
        seed=seed,
        precision=precision,
        total_steps=total_steps,
        class_names=class_names,
    )


def make_hierarchical(
    likelihood: str = "bernoulli",
    *,
    seed: int = 0,
    class_names: Sequence[str] = (),
    **config: Any,
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
        "objective": _without_warmup(config),
    }
    config = {"likelihood": likelihood, **sizes, **config}
    return _build(
        HierarchicalConfig(**config), seed=seed, class_names=class_names
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
        "objective": _without_warmup(config),
    }
    config = {"likelihood": likelihood, **sizes, **config}
    return _build(NVAEConfig(**config), seed=seed)


def make_autoregressive(
    likelihood: str = "bernoulli",
    *,
    shape: tuple[int, int, int] = IMAGE,
    seed: int = 0,
    **config: Any,
) -> GenerativeModel:
    """Returns an `Autoregressive` of binary images, or levels of two bits."""
    sizes = {"filters": 6, "num_blocks": 3, "first_rows": 2, "head_units": 8}
    parts: dict[str, Any] = {"name": likelihood}
    if likelihood == "discretized_logistic_mixture":
        parts["num_mixtures"] = 2
    return build_model(
        AutoregressiveConfig(likelihood=parts, **{**sizes, **config}),
        shape,
        likelihood=likelihood,
        seed=seed,
        num_bits=2,
    )


def _without_warmup(config: dict[str, Any]) -> dict[str, Any]:
    """Takes the objective out of a configuration: the ELBO unless named."""
    return {"name": "elbo", "beta_warmup": 0, **config.pop("objective", {})}


def _build(config: ModelConfig, **arguments: Any) -> GenerativeModel:
    name = config.likelihood.name
    return build_model(config, IMAGE, likelihood=name, **arguments)


def grey_images(num_images: int = 8, seed: int = 0) -> np.ndarray:
    """Returns images with values in [0, 1]."""
    random = np.random.default_rng(seed)
    return random.uniform(size=(num_images, *IMAGE)).astype(np.float32)


def binary_images(num_images: int = 8, seed: int = 0) -> np.ndarray:
    """Returns images with values 0 and 1."""
    return (grey_images(num_images, seed) > 0.6).astype(np.float32)
