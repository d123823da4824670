"""Small networks of NVAE, for the tests."""

from typing import Any

import keras
import numpy as np

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
    "channels": 4,
    "num_scales": 2,
    "num_groups": 2,
    "latent_channels": 2,
    "encoder_cells": 1,
    "decoder_cells": 1,
    "num_blocks": 1,
    "pre_cells": 2,
    "post_cells": 2,
}
_OPTIONS_OF_DECODER = ("smooth_scale", "residual_prior")
_OPTIONS_OF_BOTH = ("depth_scaled_init", "recompute")


def make_encoder(**options: Any) -> NVAEEncoder:
    """Returns a built encoder with the same initial weights each time.

    Args:
        **options: Differences from `SMALL`, or options of the networks; those
            that only the decoder has are ignored.
    """
    keras.utils.set_random_seed(0)
    architecture, chosen = _split({**SMALL, **options}, _OPTIONS_OF_BOTH)
    encoder = NVAEEncoder(**architecture.encoder_arguments(), **chosen)
    encoder.build()  # Which is where the initial weights are drawn.
    return encoder


def make_decoder(likelihood: Any = None, **options: Any) -> NVAEDecoder:
    """Returns the built decoder of `make_encoder` with these options."""
    keras.utils.set_random_seed(1)
    architecture, chosen = _split(
        {**SMALL, **options}, _OPTIONS_OF_BOTH + _OPTIONS_OF_DECODER
    )
    likelihood = likelihood or IndependentBernoulli(architecture.image_shape)
    decoder = NVAEDecoder(
        likelihood, **architecture.decoder_arguments(), **chosen
    )
    decoder.build()
    return decoder


def _split(
    options: dict[str, Any], names: tuple[str, ...]
) -> tuple[NVAEArchitecture, dict[str, Any]]:
    other = _OPTIONS_OF_BOTH + _OPTIONS_OF_DECODER
    chosen = {name: options[name] for name in names if name in options}
    sizes = {k: v for k, v in options.items() if k not in other}
    return NVAEArchitecture(**sizes), chosen


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
