"""The priors p(z) and their settings."""

import dataclasses
from typing import ClassVar

from keras_vae.config.needs import PRIOR
from keras_vae.config.registry import PartConfig, register

__all__ = ["StandardNormalConfig"]


@register(
    "prior", "standard_normal", build="keras_vae.priors.standard_normal:build"
)
@dataclasses.dataclass(frozen=True)
class StandardNormalConfig(PartConfig):
    """N(0, I)."""

    needs: ClassVar[tuple[str, ...]] = (PRIOR,)
