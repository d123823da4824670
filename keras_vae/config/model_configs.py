"""The models and their settings."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from keras_vae.config.model_config import ModelConfig
from keras_vae.config.needs import (
    CODE,
    EXACT,
    GAUSSIAN,
    NO_CLASSES,
    OF_SETTINGS,
    PRIOR,
    VECTOR,
)
from keras_vae.config.nvae_presets import PRESETS
from keras_vae.config.registry import part, register
from keras_vae.config.settings import changed, check_scales, setting
from keras_vae.errors import UserError, shown
from keras_vae.numerals import parse_whole

__all__ = [
    "AutoencoderConfig",
    "AutoregressiveConfig",
    "HierarchicalConfig",
    "NVAEConfig",
    "VAEConfig",
]

_ACTIVATION = "Name of a Keras activation."
# Beyond, the sums of a loss overflow in float32.
_MAX_WEIGHT = 1e9
_ARCHITECTURE = "The networks."


def _num_classes() -> Any:
    return setting(
        "0",
        "Classes that a conditional model is told: auto for those of the "
        "dataset, or how many these are; 0 for no condition.",
    )


def _check_num_classes(config: Any) -> None:
    value = shown(config.num_classes)
    object.__setattr__(config, "num_classes", value)
    if value != "auto" and parse_whole(value) is None:
        raise UserError(
            "config.num_classes must be auto or a whole number. "
            f"Received: config.num_classes={value}"
        )


def _check_parts(config: Any, posterior: Sequence[str]) -> None:
    """Raises UserError if a part needs what the other settings have not.

    Args:
        config: Of a model with a prior.
        posterior: What its posterior has.
    """
    given = posterior if config.conditional else (*posterior, NO_CLASSES)
    for value in (config.prior, config.objective):
        for need in value.needs:
            if need in OF_SETTINGS and need not in given:
                name = f"config.{value.kind}={value.name}"
                chosen = config.flat().get("posterior", "of the model")
                raise UserError(
                    f"{name} needs {need}: choose another {value.kind}, "
                    f"posterior or number of classes. Received: --{name}, "
                    f"posterior {chosen}, num_classes={config.num_classes}"
                )


@register("model", "vae", build="keras_vae.models.vae:build")
@dataclasses.dataclass(frozen=True)
class VAEConfig(ModelConfig):
    """The variational autoencoder, with one latent vector."""

    has: ClassVar[tuple[str, ...]] = (PRIOR, VECTOR)

    prior: Any = part("standard_normal", "p(z).")
    posterior: Any = part("diagonal", "q(z|x).")
    architecture: Any = part("residual", _ARCHITECTURE)
    latent_dim: int = setting(32, "Size of the latent vector.", low=1)
    num_classes: int | str = _num_classes()

    def check(self) -> None:
        _check_num_classes(self)
        _check_parts(self, getattr(self.posterior, "has", OF_SETTINGS))


@register("model", "autoencoder", build="keras_vae.models.autoencoder:build")
@dataclasses.dataclass(frozen=True)
class AutoencoderConfig(ModelConfig):
    """The plain autoencoder: no prior, no noise, squared error."""

    has: ClassVar[tuple[str, ...]] = (CODE,)
    auto_likelihood: ClassVar[tuple[str, str]] = (
        "normal_fixed",
        "normal_fixed",
    )
    has_likelihood: ClassVar[bool] = False

    objective: Any = part("squared_error", "What is minimised.")
    architecture: Any = part("convolutional", _ARCHITECTURE, activation="relu")
    latent_dim: int = setting(32, "Size of the code.", low=1)
    learning_rate: float = changed(ModelConfig, "learning_rate", 1e-3)
    clip_norm: float = changed(ModelConfig, "clip_norm", 0.0)


@register(
    "model", "autoregressive", build="keras_vae.models.autoregressive:build"
)
@dataclasses.dataclass(frozen=True)
class AutoregressiveConfig(ModelConfig):
    """A gated PixelCNN: no latents, and log p(x) itself, not a bound."""

    has: ClassVar[tuple[str, ...]] = (EXACT,)
    auto_likelihood: ClassVar[tuple[str, str]] = (
        "bernoulli",
        "discretized_logistic_mixture",
    )

    objective: Any = part("log_likelihood", "What is minimised.")
    filters: int = setting(32, "Channels of both stacks.", low=1)
    num_blocks: int = setting(5, "Gated blocks.", low=1)
    first_rows: int = setting(3, "Rows that the first block sees.", low=1)
    head_units: int = setting(32, "Hidden units at each pixel.", low=1)
    batch_size: int = changed(ModelConfig, "batch_size", 64)

    def check(self) -> None:
        if self.likelihood.is_density:
            raise UserError(
                "An autoregressive model has the probabilities of values: use "
                "--config.likelihood=bernoulli, with binarized images, or "
                "discretized_logistic_mixture. Received: "
                f"config.likelihood={self.likelihood.name}"
            )


@register(
    "model", "hierarchical", build="keras_vae.models.hierarchical_vae:build"
)
@dataclasses.dataclass(frozen=True)
class HierarchicalConfig(ModelConfig):
    """A top-down hierarchy of dense convolutions, for CPUs and small GPUs.

    The scales are 1/2, 1/4, ... of the image's resolution, in this order.
    """

    has: ClassVar[tuple[str, ...]] = (PRIOR,)
    auto_likelihood: ClassVar[tuple[str, str]] = (
        "bernoulli",
        "discretized_logistic_mixture",
    )

    prior: Any = part("standard_normal", "p(z) of the top group.")
    objective: Any = part(
        "importance_weighted", "What is minimised.", num_samples=4, start=0.85
    )
    filters: tuple[int, ...] = setting(
        (32, 96), "Channels at each scale.", low=1
    )
    bottlenecks: tuple[int, ...] = setting(
        (16, 32), "Channels of the 3x3 convolutions at each scale.", low=1
    )
    encoder_blocks: tuple[int, ...] = setting(
        (1, 3), "Residual blocks at each scale on the way up.", low=0
    )
    decoder_blocks: tuple[int, ...] = setting(
        (2, 0), "Residual blocks at each scale on the way down.", low=0
    )
    num_groups: tuple[int, ...] = setting(
        (0, 5), "Latent groups at each scale.", low=0
    )
    latent_channels: int = setting(
        8, "Channels of each of these groups.", low=1
    )
    top_latent_dim: int = setting(
        32, "Size of the latent vector on top.", low=1
    )
    dense_units: int = setting(
        256, "Width of the dense layers beside it.", low=1
    )
    dense_groups: int = setting(
        4, "Latent groups of vectors between it and the maps.", low=0
    )
    dense_bottleneck: int = setting(
        64, "Width of these groups' own layers.", low=1
    )
    dense_latent_dim: int = setting(16, "Size of each of their latents.", low=1)
    activation: str = setting("elu", _ACTIVATION)
    upsampling: str = setting(
        "depth_to_space",
        "How maps are enlarged: depth_to_space, or nearest with a bias for "
        "each position.",
        choices=("depth_to_space", "nearest"),
    )
    num_classes: int | str = _num_classes()
    optimizer: str = changed(ModelConfig, "optimizer", "muon")
    learning_rate: float = changed(ModelConfig, "learning_rate", 5.5e-3)

    def check(self) -> None:
        _check_num_classes(self)
        counts = ("encoder_blocks", "decoder_blocks", "num_groups")
        check_scales(self, ("filters", "bottlenecks", *counts), "config.")
        _check_parts(self, (GAUSSIAN,))


@register("model", "nvae", build="keras_vae.models.nvae:build")
@dataclasses.dataclass(frozen=True)
class NVAEConfig(ModelConfig):
    """NVAE (Vahdat and Kautz 2020), as the preset `cpu_mnist` is."""

    has: ClassVar[tuple[str, ...]] = (PRIOR,)
    auto_likelihood: ClassVar[tuple[str, str]] = (
        "bernoulli",
        "discretized_logistic_mixture",
    )
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    # Batch normalisation looks at the whole batch.
    couples_rows: ClassVar[bool] = True
    # Depthwise convolutions are slower in it.
    bfloat16_on_cpus: ClassVar[bool] = False

    objective: Any = part(
        "elbo",
        "What is minimised.",
        kl_balancing=True,
        beta_initial=1e-4,
        beta_warmup=0.3,
        beta_schedule="clipped",
    )
    preset: str = setting(
        "cpu_mnist",
        "Name of the sizes that were started from.",
        choices=tuple(PRESETS),
    )
    channels: int = setting(
        8, "Channels at the image's resolution, doubled at each halving.", low=1
    )
    pad: int = setting(
        2, "Black pixels added on each side, inside the networks only.", low=0
    )
    num_scales: int = setting(2, "Resolutions that have latent groups.", low=1)
    num_groups: int = setting(4, "Latent groups at the highest of them.", low=1)
    adaptive: bool = setting(True, "Whether each lower one has half as many.")
    min_groups: int = setting(1, "Least number of groups of a scale.", low=1)
    latent_channels: int = setting(8, "Channels of each group.", low=1)
    encoder_cells: int = setting(
        1, "Residual cells for each group on the way up.", low=1
    )
    decoder_cells: int = setting(
        1, "Residual cells for each group on the way down.", low=1
    )
    num_blocks: int = setting(
        2, "Halvings before the first scale, doublings after it.", low=0
    )
    pre_cells: int = setting(1, "Residual cells of each halving.", low=1)
    post_cells: int = setting(1, "Residual cells of each doubling.", low=1)
    decoder_expansion: int = setting(
        3, "Factor of the channels in the decoder's cells.", low=1
    )
    post_expansion: int = setting(2, "The same after the last group.", low=1)
    kernel_size: int = setting(
        5, "Odd size of the depthwise convolutions.", low=1
    )
    num_flows: int = setting(0, "Pairs of flow cells for each group.", low=0)
    smooth_scale: bool = setting(
        False, "Softplus scales instead of exponentials."
    )
    residual_prior: bool = setting(
        False, "Whether the prior's path adds to the stream."
    )
    depth_scaled_init: bool = setting(
        False, "Whether branches start smaller in deeper models."
    )
    recompute: bool = setting(
        False,
        "Whether activations are computed again in the backward pass, which "
        "saves memory and costs time.",
    )
    regularization_weight: float = setting(
        1e-2,
        "Weight of the spectral and of the batch normalisation's regularisers.",
        low=0,
        high=_MAX_WEIGHT,
    )
    regularization_initial: float = setting(
        0.0,
        "Their weight at the start of the warm-up of beta; 0 keeps it "
        "constant.",
        low=0,
        high=_MAX_WEIGHT,
    )
    num_classes: int | str = _num_classes()
    batch_size: int = changed(ModelConfig, "batch_size", 64)
    optimizer: str = changed(ModelConfig, "optimizer", "adamax")
    learning_rate: float = changed(ModelConfig, "learning_rate", 5e-3)
    learning_rate_warmup: float = changed(
        ModelConfig, "learning_rate_warmup", 0.05
    )
    learning_rate_final: float = changed(
        ModelConfig, "learning_rate_final", 0.02
    )
    beta_2: float = changed(ModelConfig, "beta_2", 0.999)
    optimizer_epsilon: float = changed(ModelConfig, "optimizer_epsilon", 1e-3)
    weight_decay: float = changed(ModelConfig, "weight_decay", 3e-4)
    clip_norm: float = changed(ModelConfig, "clip_norm", 0.0)
    ema_momentum: float = changed(ModelConfig, "ema_momentum", 0.0)

    def check(self) -> None:
        _check_num_classes(self)
        if self.kernel_size % 2 == 0:
            raise UserError(
                "config.kernel_size must be odd. "
                f"Received: config.kernel_size={self.kernel_size}"
            )
        if self.adaptive and self.min_groups > self.num_groups:
            raise UserError(
                "config.min_groups must not be above config.num_groups. "
                f"Received: config.min_groups={self.min_groups}, "
                f"config.num_groups={self.num_groups}"
            )
        if self.regularization_initial and not self.regularization_weight:
            raise UserError(
                "config.regularization_weight must be above 0 where "
                "config.regularization_initial is. Received: "
                f"config.regularization_initial={self.regularization_initial}"
            )
