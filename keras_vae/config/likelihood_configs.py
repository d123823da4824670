"""The likelihoods p(x|z) and their settings."""

import dataclasses
from typing import ClassVar

from keras_vae.config.registry import BuildContext, PartConfig, register
from keras_vae.config.settings import setting

__all__ = [
    "SUPPORTS",
    "AutoLikelihoodConfig",
    "BernoulliConfig",
    "ContinuousBernoulliConfig",
    "DiscretizedLogisticMixtureConfig",
    "LikelihoodConfig",
    "NormalFixedConfig",
    "NormalPerPixelConfig",
    "NormalSharedConfig",
]

# What the values of an image must be for a likelihood to be one of them.
SUPPORTS = ("binary", "levels", "unit interval", "real", "")

_SCALE = "Standard deviation, in units of the [0, 1] range."
_MIXTURES = "Components of the mixture."


@dataclasses.dataclass(frozen=True)
class LikelihoodConfig(PartConfig):
    """Settings of a likelihood.

    Attributes:
        support: What its values are: `binary`, `levels` (of `num_bits` bits),
            `unit interval` or `real`; of the last two it is a density.
    """

    support: ClassVar[str] = ""

    @property
    def is_density(self) -> bool:
        """Whether it is a density, and no probability."""
        return self.support in ("unit interval", "real")


def _unresolved(config: PartConfig, context: BuildContext) -> None:
    raise ValueError(
        "`likelihood` must be one of its own to be built: "
        f"`resolve_likelihood` says what auto stands for. Received: {config}"
    )


@register("likelihood", "auto", build=_unresolved)
@dataclasses.dataclass(frozen=True)
class AutoLikelihoodConfig(LikelihoodConfig):
    """Bernoulli for binarized images, else the model's choice."""

    scale: float = setting(
        0.1, f"Of a Gaussian, if it is one. {_SCALE}", low=0, strict=True
    )
    num_mixtures: int = setting(10, f"If it is one. {_MIXTURES}", low=1)


@register(
    "likelihood",
    "bernoulli",
    build="keras_vae.distributions.independent_bernoulli:build",
)
@dataclasses.dataclass(frozen=True)
class BernoulliConfig(LikelihoodConfig):
    """Of binary images."""

    support: ClassVar[str] = "binary"


@register(
    "likelihood",
    "continuous_bernoulli",
    build="keras_vae.distributions.independent_continuous_bernoulli:build",
)
@dataclasses.dataclass(frozen=True)
class ContinuousBernoulliConfig(LikelihoodConfig):
    """A density on [0, 1]."""

    support: ClassVar[str] = "unit interval"


_NORMAL = "keras_vae.distributions.independent_normal:build"


@register("likelihood", "normal_fixed", build=_NORMAL)
@dataclasses.dataclass(frozen=True)
class NormalFixedConfig(LikelihoodConfig):
    """A Gaussian of one scale that is given: the squared error."""

    support: ClassVar[str] = "real"
    scale: float = setting(0.1, _SCALE, low=0, strict=True)


@register("likelihood", "normal_shared", build=_NORMAL)
@dataclasses.dataclass(frozen=True)
class NormalSharedConfig(LikelihoodConfig):
    """A Gaussian of one scale that is learned."""

    support: ClassVar[str] = "real"
    scale: float = setting(0.1, f"First value. {_SCALE}", low=0, strict=True)


@register("likelihood", "normal_per_pixel", build=_NORMAL)
@dataclasses.dataclass(frozen=True)
class NormalPerPixelConfig(LikelihoodConfig):
    """A Gaussian whose scales the decoder gives, one for each value."""

    support: ClassVar[str] = "real"
    scale: float = setting(0.1, f"First value. {_SCALE}", low=0, strict=True)


@register(
    "likelihood",
    "discretized_logistic_mixture",
    build="keras_vae.distributions.discretized_logistic_mixture:build",
)
@dataclasses.dataclass(frozen=True)
class DiscretizedLogisticMixtureConfig(LikelihoodConfig):
    """Mixtures of logistics on the levels, channels in turn (PixelCNN++)."""

    support: ClassVar[str] = "levels"
    num_mixtures: int = setting(10, _MIXTURES, low=1)
