"""The configuration of a model and of its training, as plain data.

Nothing here imports TensorFlow: the apps read these to answer `--help`.
"""

import dataclasses
import math
from typing import Any

from keras_vae.errors import UserError, did_you_mean

__all__ = ["ModelConfig", "TrainingConfig", "check_choice", "differences"]

ARCHITECTURES = ("residual", "convolutional", "dense")
MODELS = ("vae", "autoencoder")
POSTERIORS = ("diagonal", "full")
LIKELIHOODS = (
    "auto",
    "bernoulli",
    "continuous_bernoulli",
    "normal_fixed",
    "normal_shared",
    "normal_per_pixel",
)
DISTRIBUTIONS = ("auto", "one_device", "mirrored")
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raises UserError unless `value` is one of `choices`."""
    if value not in choices:
        raise UserError(
            f"Unknown {name}. {did_you_mean(str(value), choices)} "
            f"Received: {name}={value}"
        )


def _check_number(
    name: str,
    value: Any,
    low: float,
    *,
    strict: bool = False,
    whole: bool = False,
    high: float = math.inf,
) -> None:
    """Raises UserError unless low <= value <= high (low < value if strict)."""
    types = int if whole else (int, float)
    is_number = isinstance(value, types) and not isinstance(value, bool)
    if (
        not is_number
        or not math.isfinite(value)
        or value < low
        or (strict and value == low)
        or value > high
    ):
        kind = "whole" if whole else "finite"
        bound = f"above {low:g}" if strict else f"at least {low:g}"
        if high < math.inf:
            bound += f" and at most {high:g}"
        raise UserError(
            f"{name} must be a {kind} number {bound}. Received: {name}={value}"
        )


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What is trained, and the optimizer that suits it.

    Attributes:
        model: `vae` or `autoencoder`.
        architecture: `residual`, `convolutional` or `dense` networks.
        latent_dim: Size of the latent vector.
        hidden_units: Widths of the layers of the dense networks, from the
            image on; the decoder mirrors them.
        filters: Channels at each scale of the other networks, the highest
            resolution first.
        num_blocks: Residual blocks at each scale.
        dense_units: Width of the dense layer beside the latent.
        activation: Name of a Keras activation.
        posterior: `diagonal` or `full` covariance of q(z|x).
        likelihood: p(x|z); `auto` is Bernoulli for binarized images and a
            Gaussian with one learned scale otherwise.
        likelihood_scale: Standard deviation of a Gaussian likelihood (its
            first value where it is learned), in units of the [0, 1] range.
        beta: Weight of the KL after its warm-up.
        beta_initial: Weight of the KL at the first step, as a share of `beta`.
        beta_warmup: Share of the run in which the weight rises.
        free_bits: Nats of KL for each latent group that cost nothing.
        batch_size: Images in a step, over all replicas.
        learning_rate: Peak learning rate of Adam.
        learning_rate_warmup: Share of the run in which it rises.
        learning_rate_final: Its last value, as a share of the peak.
        beta_2: Decay of Adam's second moment.
        clip_norm: Largest norm of the gradient; 0 turns clipping off.
        ema_momentum: Momentum of the average of the weights that is
            evaluated and exported; 0 turns averaging off.
    """

    model: str = "vae"
    architecture: str = "residual"
    latent_dim: int = 32
    hidden_units: tuple[int, ...] = (512, 512)
    filters: tuple[int, ...] = (16, 64)
    num_blocks: tuple[int, ...] = (1, 2)
    dense_units: int = 256
    activation: str = "elu"
    posterior: str = "diagonal"
    likelihood: str = "auto"
    likelihood_scale: float = 0.1
    beta: float = 1.0
    beta_initial: float = 0.1
    beta_warmup: float = 0.08
    free_bits: float = 0.0
    batch_size: int = 128
    learning_rate: float = 4e-3
    learning_rate_warmup: float = 0.04
    learning_rate_final: float = 0.01
    beta_2: float = 0.995
    clip_norm: float = 200.0
    ema_momentum: float = 0.999

    def __post_init__(self) -> None:
        for name in ("hidden_units", "filters", "num_blocks"):
            sizes = getattr(self, name)
            if not isinstance(sizes, (tuple, list)) or not sizes:
                raise UserError(
                    f"config.{name} must be a list of numbers such as "
                    f"(32,64). Received: config.{name}={sizes}"
                )
            object.__setattr__(self, name, tuple(sizes))
            for size in sizes:
                low = 0 if name == "num_blocks" else 1
                _check_number(f"config.{name}", size, low, whole=True)
        check_choice("model", self.model, MODELS)
        check_choice("config.architecture", self.architecture, ARCHITECTURES)
        check_choice("config.posterior", self.posterior, POSTERIORS)
        check_choice("config.likelihood", self.likelihood, LIKELIHOODS)
        for name in ("latent_dim", "dense_units", "batch_size"):
            value = getattr(self, name)
            _check_number(f"config.{name}", value, 1, whole=True)
        for name in ("likelihood_scale", "learning_rate"):
            _check_number(f"config.{name}", getattr(self, name), 0, strict=True)
        for name in ("beta", "free_bits", "clip_norm"):
            _check_number(f"config.{name}", getattr(self, name), 0)
        for name in (
            "beta_initial",
            "beta_warmup",
            "learning_rate_warmup",
            "learning_rate_final",
            "beta_2",
            "ema_momentum",
        ):
            _check_number(f"config.{name}", getattr(self, name), 0, high=1)
        for name in ("learning_rate_warmup", "beta_2", "ema_momentum"):
            if getattr(self, name) == 1:
                raise UserError(
                    f"config.{name} must be below 1. Received: config.{name}=1"
                )
        if len(self.filters) != len(self.num_blocks):
            raise UserError(
                "config.filters and config.num_blocks must have one entry for "
                f"each scale. Received: {self.filters} and {self.num_blocks}"
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
            processor has it, else float32. Weights, likelihoods and
            evaluation are float32 in any case.
        jit_compile: Whether XLA compiles the step: `auto`, `true`, `false`.
        patience: Epochs without a better validation ELBO after which the run
            stops; 0 never stops early.
        keep_checkpoints: Number of checkpoints that are kept.
        checkpoint_seconds: Seconds between two checkpoints.
    """

    epochs: int = 20
    max_minutes: float | None = None
    seed: int = 0
    distribution: str = "auto"
    precision: str = "auto"
    jit_compile: str = "auto"
    patience: int = 0
    keep_checkpoints: int = 3
    checkpoint_seconds: float = 30.0

    def __post_init__(self) -> None:
        _check_number("epochs", self.epochs, 1, whole=True)
        if self.max_minutes is not None:
            _check_number("max_minutes", self.max_minutes, 0, strict=True)
        _check_number("seed", self.seed, 0, whole=True, high=2**31 - 1)
        check_choice("distribution", self.distribution, DISTRIBUTIONS)
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("jit_compile", self.jit_compile, ("auto", "true", "false"))
        _check_number("patience", self.patience, 0, whole=True)
        _check_number("keep_checkpoints", self.keep_checkpoints, 1, whole=True)
        _check_number("checkpoint_seconds", self.checkpoint_seconds, 0)


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
