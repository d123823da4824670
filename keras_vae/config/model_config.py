"""What the configurations of all models share, as plain data."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from keras_vae.config.validation import check_choice, check_number
from keras_vae.errors import UserError

__all__ = ["PIXELS", "ModelConfig"]

LIKELIHOODS = (
    "auto",
    "bernoulli",
    "continuous_bernoulli",
    "normal_fixed",
    "normal_shared",
    "normal_per_pixel",
    "discretized_logistic_mixture",
)
OPTIMIZERS = ("adam", "adamax", "muon")
# What a sample shows of p(x|z).
PIXELS = ("mean", "draw")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What every model has: its likelihood, its objective, its optimizer.

    The networks are settings of its sub-classes, one for each kind of network.

    Attributes:
        model: Name of the model.
        likelihood: p(x|z); `auto` is Bernoulli for binarized images, and else
            a discretized logistic mixture for the hierarchical models and a
            Gaussian with one learned scale for the others.
        likelihood_scale: Standard deviation of a Gaussian likelihood (its
            first value where it is learned), in units of the [0, 1] range.
        num_mixtures: Components of a discretized logistic mixture.
        output_mean_bias: Whether training starts at p(x|z) = the mean training
            image: a bias of each value of the likelihood's parameters, which
            NVAE keeps as it is and the others train. NVAE's authors have none.
        beta: Weight of the KL after its warm-up.
        beta_initial: Weight of the KL at the first step, as a share of `beta`.
        beta_warmup: Share of the run in which the weight rises.
        free_bits: Nats of KL for each latent group that cost nothing.
        kl_balancing: Whether the groups' KLs are balanced in the warm-up.
        importance_samples: Draws K of the importance-weighted bound that is
            maximised; 1 is the ELBO.
        importance_start: Share of the run after which it takes the ELBO's
            place; 0 from the start.
        batch_size: Images in a step, over all replicas.
        optimizer: `adam`, `adamax` or `muon`.
        learning_rate: Peak learning rate.
        learning_rate_warmup: Share of the run in which it rises.
        learning_rate_final: Its last value, as a share of the peak.
        beta_2: Decay of the optimizer's second moment.
        optimizer_epsilon: What keeps its divisor above 0.
        weight_decay: L2 decay, added to the gradient; of Adamax alone.
        clip_norm: Largest norm of the gradient; 0 turns clipping off.
        skip_factor: A step is left out if the gradient's norm is above so many
            times what it was of late; 0 leaves out only what is not finite.
        ema_momentum: Momentum of the average of the weights that is
            evaluated and exported; 0 turns averaging off.
    """

    model: str = "vae"
    likelihood: str = "auto"
    likelihood_scale: float = 0.1
    num_mixtures: int = 10
    output_mean_bias: bool = True
    beta: float = 1.0
    beta_initial: float = 0.1
    beta_warmup: float = 0.08
    free_bits: float = 0.0
    kl_balancing: bool = False
    importance_samples: int = 1
    importance_start: float = 0.0
    batch_size: int = 128
    optimizer: str = "adam"
    learning_rate: float = 4e-3
    learning_rate_warmup: float = 0.04
    learning_rate_final: float = 0.01
    beta_2: float = 0.995
    optimizer_epsilon: float = 1e-7
    weight_decay: float = 0.0
    clip_norm: float = 200.0
    skip_factor: float = 0.0
    ema_momentum: float = 0.999

    def __post_init__(self) -> None:
        check_choice("config.likelihood", self.likelihood, LIKELIHOODS)
        check_choice("config.optimizer", self.optimizer, OPTIMIZERS)
        self.check_numbers(
            ["num_mixtures", "batch_size", "importance_samples"], 1, whole=True
        )
        self.check_numbers(
            ["likelihood_scale", "learning_rate", "optimizer_epsilon"],
            0,
            strict=True,
        )
        self.check_numbers(
            ["beta", "free_bits", "clip_norm", "skip_factor", "weight_decay"], 0
        )
        self.check_numbers(
            [
                "beta_initial",
                "beta_warmup",
                "importance_start",
                "learning_rate_warmup",
                "learning_rate_final",
                "beta_2",
                "ema_momentum",
            ],
            0,
            high=1,
        )
        for name in (
            "importance_start",
            "learning_rate_warmup",
            "beta_2",
            "ema_momentum",
        ):
            if getattr(self, name) == 1:
                raise UserError(
                    f"config.{name} must be below 1. Received: config.{name}=1"
                )
        if self.weight_decay and self.optimizer != "adamax":
            raise UserError(
                "config.weight_decay is a setting of Adamax: add "
                "--config.optimizer=adamax, or leave it at 0. "
                f"Received: config.weight_decay={self.weight_decay}"
            )
        self._check_importance()
        if 0 < self.skip_factor <= 1:
            raise UserError(
                "config.skip_factor must be above 1, or 0 for no such limit. "
                f"Received: config.skip_factor={self.skip_factor}"
            )

    @property
    def rows_are_independent(self) -> bool:
        """Whether the loss of a batch is the mean of its images' losses."""
        return not (self.free_bits or self.kl_balancing)

    @property
    def bfloat16_on_cpus(self) -> bool:
        """Whether CPUs that multiply bfloat16 train the model faster in it."""
        return True

    @property
    def draws_change(self) -> bool:
        """Whether a step draws more latents for an image late in the run."""
        return self.importance_samples > 1 and self.importance_start > 0

    def _check_importance(self) -> None:
        """Raises UserError for settings that would have no effect."""
        if self.importance_samples == 1:
            return
        if self.model == "autoencoder":
            raise UserError(
                "config.importance_samples is for models with a prior on their "
                "latents: use --model=vae, or leave it at 1. Received: "
                f"--model={self.model} "
                f"--config.importance_samples={self.importance_samples}"
            )
        if not self.importance_start and (self.free_bits or self.kl_balancing):
            raise UserError(
                "config.free_bits and config.kl_balancing are of the ELBO: set "
                "config.importance_start above 0, or leave them out. Received: "
                f"config.importance_samples={self.importance_samples} "
                f"config.importance_start={self.importance_start}"
            )

    def check_numbers(
        self,
        names: Sequence[str],
        low: float,
        **rules: Any,
    ) -> None:
        """Raises UserError unless each of these settings is a number >= low.

        Args:
            names: Attributes; of a tuple each entry is checked.
            low: The least value.
            **rules: `strict`, `whole` and `high` of `check_number`.
        """
        for name in names:
            value = getattr(self, name)
            for number in value if isinstance(value, tuple) else (value,):
                check_number(f"config.{name}", number, low, **rules)

    def check_sizes(self, names: Sequence[str]) -> None:
        """Raises UserError unless these are lists of the same length."""
        for name in names:
            sizes = getattr(self, name)
            if not isinstance(sizes, (tuple, list)) or not sizes:
                raise UserError(
                    f"config.{name} must be a list of numbers such as "
                    f"(32,64). Received: config.{name}={sizes}"
                )
            object.__setattr__(self, name, tuple(sizes))
        lengths = {len(getattr(self, name)) for name in names}
        if len(lengths) > 1:
            words = " and ".join(f"config.{name}" for name in names)
            values = " and ".join(str(getattr(self, name)) for name in names)
            raise UserError(
                f"{words} must have one entry for each scale. "
                f"Received: {values}"
            )
