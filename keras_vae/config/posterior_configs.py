"""The posteriors q(z|x) and their settings."""

import dataclasses
from typing import ClassVar

from keras_vae.config.needs import DIAGONAL, GAUSSIAN, VECTOR
from keras_vae.config.registry import PartConfig, register
from keras_vae.config.settings import setting

__all__ = [
    "DiagonalConfig",
    "FullConfig",
    "InverseAutoregressiveConfig",
    "PosteriorConfig",
]


@dataclasses.dataclass(frozen=True)
class PosteriorConfig(PartConfig):
    """Settings of a posterior.

    Attributes:
        has: What it gives to other parts that need it.
    """

    needs: ClassVar[tuple[str, ...]] = (VECTOR,)
    has: ClassVar[tuple[str, ...]] = ()


@register(
    "posterior",
    "diagonal",
    build="keras_vae.distributions.multivariate_normal_diag:build",
)
@dataclasses.dataclass(frozen=True)
class DiagonalConfig(PosteriorConfig):
    """A Gaussian with independent dimensions."""

    has: ClassVar[tuple[str, ...]] = (GAUSSIAN, DIAGONAL)


@register(
    "posterior",
    "full",
    build="keras_vae.distributions.multivariate_normal_tril:build",
)
@dataclasses.dataclass(frozen=True)
class FullConfig(PosteriorConfig):
    """A Gaussian with a full covariance."""

    has: ClassVar[tuple[str, ...]] = (GAUSSIAN,)


@register(
    "posterior",
    "iaf",
    build="keras_vae.flows.inverse_autoregressive_flow:build",
)
@dataclasses.dataclass(frozen=True)
class InverseAutoregressiveConfig(PosteriorConfig):
    """A diagonal Gaussian through an inverse autoregressive flow."""

    num_steps: int = setting(2, "Steps of the flow.", low=1)
    step_units: tuple[int, ...] = setting(
        (128,), "Widths of the hidden layers of each step.", low=1
    )
    context_size: int = setting(
        64, "Numbers that the encoder tells the steps of an image.", low=1
    )
