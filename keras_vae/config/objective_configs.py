"""The objectives and their settings."""

import dataclasses
from typing import ClassVar

from keras_vae.config.needs import CODE, DIAGONAL, EXACT, PRIOR, VECTOR
from keras_vae.config.registry import PartConfig, register
from keras_vae.config.settings import setting
from keras_vae.errors import UserError

__all__ = [
    "BetaTCVAEConfig",
    "ELBOConfig",
    "ImportanceWeightedConfig",
    "LogLikelihoodConfig",
    "ObjectiveConfig",
    "SquaredErrorConfig",
]


# Beyond, the sums of a loss overflow in float32.
_MAX_WEIGHT = 1e9


@dataclasses.dataclass(frozen=True)
class ObjectiveConfig(PartConfig):
    """Settings of an objective."""

    @property
    def couples_rows(self) -> bool:
        """Whether the loss of an image depends on those beside it."""
        return False

    @property
    def draws_change(self) -> bool:
        """Whether a step draws more latents for an image late in the run."""
        return False

    @property
    def idle(self) -> tuple[str, ...]:
        """Settings that change nothing beside the others, each with why."""
        return ()


@dataclasses.dataclass(frozen=True)
class _WithKL(ObjectiveConfig):
    """What objectives with a weighted KL share."""

    needs: ClassVar[tuple[str, ...]] = (PRIOR,)
    beta: float = setting(
        1.0, "Weight of the KL after its warm-up.", low=0, high=_MAX_WEIGHT
    )
    beta_initial: float = setting(
        0.1,
        "Weight of the KL at the first step, as a share of beta.",
        low=0,
        high=1,
    )
    beta_warmup: float = setting(
        0.08, "Share of the run in which the weight rises.", low=0, high=1
    )
    beta_schedule: str = setting(
        "linear",
        "How it rises: linear, from beta_initial; or clipped, from 0, and "
        "never below beta_initial.",
        choices=("linear", "clipped"),
    )
    free_bits: float = setting(
        0.0,
        "Nats of KL for each latent group that cost nothing.",
        low=0,
        high=_MAX_WEIGHT,
    )
    kl_balancing: bool = setting(
        False, "Whether the groups' KLs are balanced in the warm-up."
    )

    @property
    def couples_rows(self) -> bool:
        return bool(self.free_bits) or self.kl_balancing

    @property
    def idle(self) -> tuple[str, ...]:
        found = []
        if self.free_bits and not self.beta:
            found.append("free_bits, where beta is 0")
        warms = self.beta and self.beta_warmup and self.beta_initial < 1
        if self.kl_balancing and not warms:
            found.append("kl_balancing, where beta has no warm-up")
        return tuple(found)


@register(
    "objective", "elbo", build="keras_vae.objectives.objective:build_elbo"
)
@dataclasses.dataclass(frozen=True)
class ELBOConfig(_WithKL):
    """The evidence lower bound, with a weight on the KL (beta-VAE)."""


@register(
    "objective",
    "importance_weighted",
    build="keras_vae.objectives.objective:build_importance_weighted",
)
@dataclasses.dataclass(frozen=True)
class ImportanceWeightedConfig(_WithKL):
    """The importance-weighted bound of several draws (IWAE)."""

    num_samples: int = setting(5, "Draws K of the bound.", low=1, high=100_000)
    start: float = setting(
        0.0,
        "Share of the run after which it takes the ELBO's place; 0 from the "
        "start.",
        low=0,
        below=1,
    )

    def check(self) -> None:
        if not self.start and (self.free_bits or self.kl_balancing):
            raise UserError(
                "config.objective.free_bits and config.objective.kl_balancing "
                "are of the ELBO: set config.objective.start above 0, or leave "
                "them out. Received: "
                f"config.objective.start={self.start} "
                f"config.objective.free_bits={self.free_bits} "
                f"config.objective.kl_balancing={self.kl_balancing}"
            )

    @property
    def draws_change(self) -> bool:
        return self.num_samples > 1 and self.start > 0

    @property
    def idle(self) -> tuple[str, ...]:
        found = super().idle
        if self.start and self.num_samples == 1:
            found = (*found, "start, where num_samples is 1")
        return found


@register(
    "objective", "beta_tcvae", build="keras_vae.objectives.beta_tcvae:build"
)
@dataclasses.dataclass(frozen=True)
class BetaTCVAEConfig(ObjectiveConfig):
    """beta-TCVAE: the ELBO with a weight on the total correlation."""

    needs: ClassVar[tuple[str, ...]] = (VECTOR, DIAGONAL)

    beta: float = setting(6.0, "Weight of the total correlation.", low=0)

    @property
    def couples_rows(self) -> bool:
        return True


@register(
    "objective",
    "log_likelihood",
    build="keras_vae.objectives.log_likelihood:build",
)
@dataclasses.dataclass(frozen=True)
class LogLikelihoodConfig(ObjectiveConfig):
    """The log-likelihood itself, where it is not only bounded."""

    needs: ClassVar[tuple[str, ...]] = (EXACT,)


@register(
    "objective",
    "squared_error",
    build="keras_vae.objectives.objective:build_squared_error",
)
@dataclasses.dataclass(frozen=True)
class SquaredErrorConfig(ObjectiveConfig):
    """The squared error of the reconstruction."""

    needs: ClassVar[tuple[str, ...]] = (CODE,)
