"""Sizes and settings of NVAE that are known to work, as `NVAEConfig` has them.

Length of the run, colour depth and mirroring are no settings of the model; the
published runs are, with their batch over all devices:

    mnist     --epochs=400 --validation_size=400
    cifar10   --epochs=400 --validation_size=80 --horizontal_flip
    celeba64  --epochs=90 --horizontal_flip
    ffhq256   --epochs=200 --horizontal_flip --num_bits=5

The authors train on all training images and choose nothing by validation. Here
some images are for validation in any case; so few of them leave an epoch of
MNIST 149 steps of 150, and of CIFAR-10 all 195.

References:
    Vahdat and Kautz (2020), NVAE: A Deep Hierarchical Variational Autoencoder,
    table 6, as trained by the authors' published commands, which differ from it
    for MNIST: 2 cells for each group.
"""

from typing import Any

__all__ = ["PRESETS"]

_PUBLISHED: dict[str, Any] = {
    "pad": 0,
    "output_mean_bias": False,
    "encoder_cells": 2,
    "decoder_cells": 2,
    "latent_channels": 20,
    "decoder_expansion": 6,
    "post_expansion": 3,
    "learning_rate": 1e-2,
    "learning_rate_final": 1e-2,
}
_ONE_BLOCK = {"num_blocks": 1, "pre_cells": 2, "post_cells": 2}

PRESETS: dict[str, dict[str, Any]] = {
    "mnist": {
        **_PUBLISHED,
        "pad": 2,
        "channels": 32,
        "num_scales": 2,
        "num_groups": 10,
        "num_blocks": 2,
        "pre_cells": 3,
        "post_cells": 3,
        "batch_size": 400,
        "learning_rate_warmup": 5 / 400,
    },
    "cifar10": {
        **_PUBLISHED,
        **_ONE_BLOCK,
        "channels": 128,
        "num_scales": 1,
        "num_groups": 30,
        "num_flows": 1,
        "batch_size": 256,
        "learning_rate_warmup": 5 / 400,
    },
    "celeba64": {
        **_PUBLISHED,
        **_ONE_BLOCK,
        "channels": 64,
        "num_scales": 3,
        "num_groups": 20,
        "num_flows": 1,
        "batch_size": 128,
        "learning_rate_warmup": 5 / 90,
        "regularization_weight": 1e-1,
    },
    "ffhq256": {
        **_PUBLISHED,
        **_ONE_BLOCK,
        "channels": 30,
        "num_scales": 5,
        "num_groups": 16,
        "min_groups": 4,
        "num_flows": 2,
        "batch_size": 96,
        "learning_rate": 8e-3,
        "learning_rate_final": 1e-4 / 8e-3,
        "learning_rate_warmup": 5 / 200,
        "regularization_weight": 1e-1,
        "regularization_initial": 1.0,
    },
    # For two CPU cores and minutes; the defaults of `NVAEConfig`.
    "cpu_mnist": {},
    "smoke": {"channels": 4, "num_groups": 2, "latent_channels": 4},
}
