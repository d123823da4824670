"""The priors p(z) and their settings."""

import dataclasses
from typing import ClassVar

from keras_vae.config.needs import GAUSSIAN, NO_CLASSES, PRIOR
from keras_vae.config.registry import PartConfig, register
from keras_vae.config.settings import setting

__all__ = ["MixturePriorConfig", "StandardNormalConfig", "VampPriorConfig"]


@register(
    "prior", "standard_normal", build="keras_vae.priors.standard_normal:build"
)
@dataclasses.dataclass(frozen=True)
class StandardNormalConfig(PartConfig):
    """N(0, I)."""

    needs: ClassVar[tuple[str, ...]] = (PRIOR,)


@register("prior", "mixture", build="keras_vae.priors.gaussian_mixture:build")
@dataclasses.dataclass(frozen=True)
class MixturePriorConfig(PartConfig):
    """A mixture of Gaussians, learned with the model."""

    needs: ClassVar[tuple[str, ...]] = (PRIOR,)

    num_components: int = setting(10, "Number of Gaussians.", low=1)


@register("prior", "vamp", build="keras_vae.priors.vamp_prior:build")
@dataclasses.dataclass(frozen=True)
class VampPriorConfig(PartConfig):
    """VampPrior: the mixture of the posteriors of learned pseudo-inputs."""

    needs: ClassVar[tuple[str, ...]] = (PRIOR, GAUSSIAN, NO_CLASSES)

    num_components: int = setting(500, "Number of pseudo-inputs.", low=1)
    from_examples: bool = setting(
        True, "Whether they start as training images, or as noise."
    )
