"""The posteriors q(z|x) and their settings."""

import dataclasses
from typing import ClassVar

from keras_vae.config.needs import VECTOR
from keras_vae.config.registry import PartConfig, register

__all__ = ["DiagonalConfig", "FullConfig"]


@register(
    "posterior",
    "diagonal",
    build="keras_vae.distributions.multivariate_normal_diag:build",
)
@dataclasses.dataclass(frozen=True)
class DiagonalConfig(PartConfig):
    """A Gaussian with independent dimensions."""

    needs: ClassVar[tuple[str, ...]] = (VECTOR,)


@register(
    "posterior",
    "full",
    build="keras_vae.distributions.multivariate_normal_tril:build",
)
@dataclasses.dataclass(frozen=True)
class FullConfig(PartConfig):
    """A Gaussian with a full covariance."""

    needs: ClassVar[tuple[str, ...]] = (VECTOR,)
