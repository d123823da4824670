"""The networks with one latent vector, encoder and decoder by one name."""

import dataclasses

from keras_vae.config.registry import PartConfig, register
from keras_vae.config.settings import check_scales, setting

__all__ = ["ConvolutionalConfig", "DenseConfig", "ResidualConfig"]

_ACTIVATION = "Name of a Keras activation."
_DENSE_UNITS = "Width of the dense layer beside the latent."
_FILTERS = "Channels at each scale, the highest resolution first."


@register("architecture", "residual", build="keras_vae.networks.residual:build")
@dataclasses.dataclass(frozen=True)
class ResidualConfig(PartConfig):
    """Residual blocks of convolutions at several scales."""

    filters: tuple[int, ...] = setting((16, 64), _FILTERS, low=1)
    num_blocks: tuple[int, ...] = setting(
        (1, 2), "Residual blocks at each scale.", low=0
    )
    dense_units: int = setting(256, _DENSE_UNITS, low=1)
    activation: str = setting("elu", _ACTIVATION)

    def check(self) -> None:
        check_scales(self, ("filters", "num_blocks"), "config.architecture.")


@register(
    "architecture",
    "convolutional",
    build="keras_vae.networks.convolutional:build",
)
@dataclasses.dataclass(frozen=True)
class ConvolutionalConfig(PartConfig):
    """A convolution and a halving of the resolution at each scale."""

    filters: tuple[int, ...] = setting((16, 64), _FILTERS, low=1)
    dense_units: int = setting(256, _DENSE_UNITS, low=1)
    activation: str = setting("elu", _ACTIVATION)


@register("architecture", "dense", build="keras_vae.networks.dense:build")
@dataclasses.dataclass(frozen=True)
class DenseConfig(PartConfig):
    """Dense layers."""

    hidden_units: tuple[int, ...] = setting(
        (512, 512),
        "Widths of the layers, from the image on; the decoder mirrors them.",
        low=1,
    )
    activation: str = setting("elu", _ACTIVATION)
