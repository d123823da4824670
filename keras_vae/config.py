"""The configuration of a training and what all models share, as plain data.

Nothing here imports TensorFlow: the apps read these to answer `--help`.
"""

import dataclasses
import math
import numbers
import sys
from collections.abc import Sequence
from typing import Any

from keras_vae.errors import UserError, did_you_mean

__all__ = [
    "ModelConfig",
    "TrainingConfig",
    "check_choice",
    "check_number",
    "differences",
    "is_whole",
]

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
DISTRIBUTIONS = ("auto", "one_device", "mirrored")
# What a sample shows of p(x|z).
PIXELS = ("mean", "draw")
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
_MAX_WHOLE = 2**31 - 1


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raises UserError unless `value` is one of `choices`."""
    if value not in choices:
        raise UserError(
            f"Unknown {name}. {did_you_mean(str(value), choices)} "
            f"Received: {name}={value}"
        )


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number, Python's or NumPy's, and no bool."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def check_number(
    name: str,
    value: Any,
    low: float,
    *,
    strict: bool = False,
    whole: bool = False,
    high: float = math.inf,
) -> None:
    """Raises UserError unless low <= value <= high (low < value if strict)."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    # What TensorFlow's shapes and counters hold, and what a float does.
    largest = _MAX_WHOLE if whole else sys.float_info.max
    if (
        not (is_whole(value) if whole else is_number)
        or not low <= value <= min(high, largest)
        or (strict and value == low)
    ):
        kind = "whole" if whole else "finite"
        bound = f"above {low:g}" if strict else f"at least {low:g}"
        if high < math.inf:
            bound += f" and at most {high:g}"
        elif is_number and value > largest:
            bound += f" and at most {largest:g}"
        raise UserError(
            f"{name} must be a {kind} number {bound}. Received: {name}={value}"
        )


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What every model has: its likelihood, its objective, its optimizer.

    The networks are settings of the sub-classes in `keras_vae.model_configs`.

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
        num_classes: Classes that a conditional model is told: `auto` for those
            of the dataset, or how many these are; 0 for no condition.
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
    num_classes: str = "0"

    def __post_init__(self) -> None:
        self._check_classes()
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
    def conditional(self) -> bool:
        """Whether the model is told the classes of its images."""
        return self.num_classes != "0"

    @property
    def bfloat16_on_cpus(self) -> bool:
        """Whether CPUs that multiply bfloat16 train the model faster in it."""
        return True

    @property
    def draws_change(self) -> bool:
        """Whether a step draws more latents for an image late in the run."""
        return self.importance_samples > 1 and self.importance_start > 0

    def _check_classes(self) -> None:
        value = str(self.num_classes)
        object.__setattr__(self, "num_classes", value)
        if value != "auto" and not value.isdecimal():
            raise UserError(
                "config.num_classes must be auto or a whole number. "
                f"Received: config.num_classes={value}"
            )
        if self.conditional and self.model == "autoencoder":
            raise UserError(
                "config.num_classes is of models with a prior: use --model=vae "
                "or another, or leave it at 0. "
                f"Received: --model=autoencoder --config.num_classes={value}"
            )

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


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How long, where and how it is trained.

    Attributes:
        epochs: Passes through the training images.
        max_minutes: If given, the run ends after so many minutes of training
            instead, and all schedules fit that time.
        seed: Base of all chance: initial weights, order, noise.
        distribution: `auto` (mirrored where there are several accelerators),
            `one_device` or `mirrored`.
        precision: Compute type of the networks; `auto` is bfloat16 where the
            processor has it and the model gains by it, else float32.
            Weights, likelihoods and evaluation are float32 in any case.
        jit_compile: Whether XLA compiles the step: `auto`, `true`, `false`.
        batch_parts: Parts of a batch that the cores of a CPU work on side by
            side; 0 is as many as suit where TensorFlow's threads are set for
            it, as `apps/train.py` sets them, else 1.
        patience: Epochs without a lower `val_loss` after which the run stops
            and the best epoch is what is loaded; 0 never stops early. That
            is what training minimises, on the validation images, with `beta`
            and `importance_samples` as they are at the end of the run: -ELBO
            where both are 1, the squared error of an autoencoder.
        keep_checkpoints: Number of checkpoints that are kept.
        checkpoint_seconds: Seconds between two checkpoints.
    """

    epochs: int = 20
    max_minutes: float | None = None
    seed: int = 0
    distribution: str = "auto"
    precision: str = "auto"
    jit_compile: str = "auto"
    batch_parts: int = 0
    patience: int = 0
    keep_checkpoints: int = 3
    checkpoint_seconds: float = 30.0

    def __post_init__(self) -> None:
        check_number("epochs", self.epochs, 1, whole=True)
        if self.max_minutes is not None:
            check_number("max_minutes", self.max_minutes, 0, strict=True)
        check_number("seed", self.seed, 0, whole=True, high=2**31 - 1)
        check_choice("distribution", self.distribution, DISTRIBUTIONS)
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("jit_compile", self.jit_compile, ("auto", "true", "false"))
        check_number("batch_parts", self.batch_parts, 0, whole=True)
        check_number("patience", self.patience, 0, whole=True)
        check_number("keep_checkpoints", self.keep_checkpoints, 1, whole=True)
        check_number("checkpoint_seconds", self.checkpoint_seconds, 0)


def differences(
    old: dict[str, Any], new: dict[str, Any], prefix: str = ""
) -> list[str]:
    """Returns "name: old -> new" for each entry of two nested dicts."""
    lines = []
    for key in sorted(old.keys() | new.keys()):
        a, b = old.get(key), new.get(key)
        name = f"{prefix}{key}"
        if isinstance(a, dict) and isinstance(b, dict):
            lines += differences(a, b, f"{name}.")
        elif a != b:
            lines.append(f"{name}: {a} -> {b}")
    return lines
