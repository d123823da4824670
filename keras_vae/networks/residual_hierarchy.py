"""The two networks of a residual hierarchy, from its settings."""

from typing import Any

from keras_vae.config import BuildContext, HierarchicalConfig
from keras_vae.networks.residual_bottom_up import ResidualBottomUp
from keras_vae.networks.residual_top_down import ResidualTopDown

__all__ = ["residual_networks"]


def residual_networks(
    config: HierarchicalConfig, context: BuildContext
) -> tuple[ResidualBottomUp, ResidualTopDown]:
    """Returns encoder and decoder.

    Args:
        config: Their sizes.
        context: The images, the classes and the likelihood.
    """
    sizes: dict[str, Any] = {
        "filters": config.filters,
        "bottlenecks": config.bottlenecks,
        "num_groups": config.num_groups,
        "dense_units": config.dense_units,
        "dense_groups": config.dense_groups,
        "dense_bottleneck": config.dense_bottleneck,
        "activation": config.activation,
        "num_classes": context.num_classes,
    }
    encoder = ResidualBottomUp(
        context.image_shape, num_blocks=config.encoder_blocks, **sizes
    )
    decoder = ResidualTopDown(
        context.likelihood,
        num_blocks=config.decoder_blocks,
        latent_channels=config.latent_channels,
        top_latent_dim=config.top_latent_dim,
        dense_latent_dim=config.dense_latent_dim,
        upsampling=config.upsampling,
        **sizes,
    )
    return encoder, decoder
