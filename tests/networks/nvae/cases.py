"""Small networks of NVAE, for the tests."""

from typing import Any

import keras
import numpy as np

from keras_vae.config import NVAEConfig
from keras_vae.distributions import IndependentBernoulli
from keras_vae.networks.nvae import (
    NVAEArchitecture,
    NVAEDecoder,
    NVAEEncoder,
    collect,
)

__all__ = [
    "IMAGE",
    "SMALL",
    "UNIT",
    "images",
    "make_architecture",
    "make_decoder",
    "make_encoder",
    "num_layers",
    "num_trainable",
]

IMAGE = (6, 6, 1)
# 8x8 with its padding; one group of 2x2 and one of 4x4.
SMALL: dict[str, Any] = {
    "image_shape": IMAGE,
    "pad": 1,
    "channels": 4,
    "num_scales": 2,
    "num_groups": 1,
    "latent_channels": 2,
    "encoder_cells": 1,
    "decoder_cells": 1,
    "num_blocks": 1,
    "pre_cells": 1,
    "post_cells": 1,
    "decoder_expansion": 2,
    "post_expansion": 2,
    "kernel_size": 3,
}
# Its number of parameters was found with another implementation.
UNIT: dict[str, Any] = {
    "image_shape": (32, 32, 1),
    "pad": 0,
    "channels": 4,
    "num_scales": 2,
    "num_groups": 2,
    "latent_channels": 2,
    "encoder_cells": 1,
    "decoder_cells": 1,
    "num_blocks": 1,
    "pre_cells": 2,
    "post_cells": 2,
    "decoder_expansion": 6,
    "post_expansion": 3,
}


def make_architecture(
    image_shape: tuple[int, int, int], **settings: Any
) -> NVAEArchitecture:
    """Returns what `NVAEConfig(**settings)` comes to."""
    return NVAEArchitecture(image_shape, NVAEConfig(**settings))


def make_encoder(**options: Any) -> NVAEEncoder:
    """Returns a built encoder with the same initial weights each time.

    Args:
        **options: Differences from `SMALL`.
    """
    keras.utils.set_random_seed(0)
    architecture = make_architecture(**{**SMALL, **options})
    encoder = NVAEEncoder(**architecture.encoder_arguments())
    encoder.build()  # Which is where the initial weights are drawn.
    return encoder


def make_decoder(likelihood: Any = None, **options: Any) -> NVAEDecoder:
    """Returns the built decoder of `make_encoder` with these options."""
    keras.utils.set_random_seed(1)
    architecture = make_architecture(**{**SMALL, **options})
    likelihood = likelihood or IndependentBernoulli(architecture.image_shape)
    decoder = NVAEDecoder(likelihood, **architecture.decoder_arguments())
    decoder.build()
    return decoder


def images(
    num_images: int = 4, shape: tuple[int, int, int] = IMAGE, seed: int = 0
) -> np.ndarray:
    """Returns images of 0 and 1."""
    random = np.random.default_rng(seed)
    return (random.uniform(size=(num_images, *shape)) > 0.6).astype(np.float32)


def num_trainable(*layers: keras.layers.Layer) -> int:
    """Returns the number of trainable parameters."""
    return sum(
        int(np.prod(variable.shape))
        for layer in layers
        for variable in layer.trainable_variables
    )


def num_layers(*layers: keras.layers.Layer) -> tuple[int, int]:
    """Returns the numbers of convolutions and of batch normalisations."""
    pairs = [collect(layer) for layer in layers]
    return sum(len(c) for c, _ in pairs), sum(len(n) for _, n in pairs)
