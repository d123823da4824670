"""The configurations of the models, one class for each kind of network.

Nothing here imports TensorFlow: the apps read these to answer `--help`.
"""

import dataclasses
from typing import Any

from keras_vae.config import ModelConfig, check_choice
from keras_vae.errors import UserError, did_you_mean
from keras_vae.nvae_presets import PRESETS

__all__ = [
    "MODEL_CONFIGS",
    "HierarchicalConfig",
    "NVAEConfig",
    "VAEConfig",
    "model_config_class",
    "model_config_from_dict",
]

ARCHITECTURES = ("residual", "convolutional", "dense")
POSTERIORS = ("diagonal", "full")
UPSAMPLING = ("depth_to_space", "nearest")


@dataclasses.dataclass(frozen=True)
class VAEConfig(ModelConfig):
    """A model with one latent vector, and the plain autoencoder.

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
    """

    architecture: str = "residual"
    latent_dim: int = 32
    hidden_units: tuple[int, ...] = (512, 512)
    filters: tuple[int, ...] = (16, 64)
    num_blocks: tuple[int, ...] = (1, 2)
    dense_units: int = 256
    activation: str = "elu"
    posterior: str = "diagonal"

    def __post_init__(self) -> None:
        check_choice("model", self.model, ("vae", "autoencoder"))
        self.check_sizes(["hidden_units"])
        self.check_sizes(["filters", "num_blocks"])
        check_choice("config.architecture", self.architecture, ARCHITECTURES)
        check_choice("config.posterior", self.posterior, POSTERIORS)
        self.check_numbers(
            ["hidden_units", "filters", "latent_dim", "dense_units"],
            1,
            whole=True,
        )
        self.check_numbers(["num_blocks"], 0, whole=True)
        super().__post_init__()


@dataclasses.dataclass(frozen=True)
class HierarchicalConfig(ModelConfig):
    """A top-down hierarchy of dense convolutions, for CPUs and small GPUs.

    The scales are 1/2, 1/4, ... of the image's resolution, in this order.

    Attributes:
        filters: Channels at each scale.
        bottlenecks: Channels of the 3x3 convolutions at each scale.
        encoder_blocks: Residual blocks at each scale on the way up.
        decoder_blocks: Residual blocks at each scale on the way down.
        num_groups: Latent groups at each scale.
        latent_channels: Channels of each of these groups.
        top_latent_dim: Size of the latent vector on top.
        dense_units: Width of the dense layers beside it.
        dense_groups: Latent groups of vectors between it and the maps.
        dense_bottleneck: Width of these groups' own layers.
        dense_latent_dim: Size of each of their latents.
        activation: Name of a Keras activation.
        upsampling: `depth_to_space`, or `nearest` with a bias for each
            position.
    """

    model: str = "hierarchical"
    filters: tuple[int, ...] = (32, 96)
    bottlenecks: tuple[int, ...] = (16, 32)
    encoder_blocks: tuple[int, ...] = (1, 3)
    decoder_blocks: tuple[int, ...] = (2, 0)
    num_groups: tuple[int, ...] = (0, 5)
    latent_channels: int = 8
    top_latent_dim: int = 32
    dense_units: int = 256
    dense_groups: int = 4
    dense_bottleneck: int = 64
    dense_latent_dim: int = 16
    activation: str = "elu"
    upsampling: str = "depth_to_space"
    importance_samples: int = 4
    importance_start: float = 0.85
    optimizer: str = "muon"
    learning_rate: float = 5.5e-3

    def __post_init__(self) -> None:
        check_choice("model", self.model, ("hierarchical",))
        counts = ["encoder_blocks", "decoder_blocks", "num_groups"]
        self.check_sizes(["filters", "bottlenecks", *counts])
        check_choice("config.upsampling", self.upsampling, UPSAMPLING)
        self.check_numbers(
            [
                "filters",
                "bottlenecks",
                "latent_channels",
                "top_latent_dim",
                "dense_units",
                "dense_bottleneck",
                "dense_latent_dim",
            ],
            1,
            whole=True,
        )
        self.check_numbers([*counts, "dense_groups"], 0, whole=True)
        super().__post_init__()


@dataclasses.dataclass(frozen=True)
class NVAEConfig(ModelConfig):
    """NVAE (Vahdat and Kautz 2020); the defaults are the `cpu_mnist` preset's.

    Attributes:
        preset: Name of the sizes that were started from.
        channels: Channels at the image's resolution, doubled at each halving.
        pad: Black pixels added on each side, inside the networks only.
        num_scales: Resolutions that have latent groups.
        num_groups: Latent groups at the highest of them.
        adaptive: Whether each lower one has half as many.
        min_groups: Least number of groups of a scale.
        latent_channels: Channels of each group.
        encoder_cells: Residual cells for each group on the way up.
        decoder_cells: Residual cells for each group on the way down.
        num_blocks: Halvings before the first scale, doublings after it.
        pre_cells: Residual cells of each halving.
        post_cells: Residual cells of each doubling.
        decoder_expansion: Factor of the channels in the decoder's cells.
        post_expansion: The same after the last group.
        kernel_size: Odd size of the depthwise convolutions.
        num_flows: Pairs of flow cells for each group.
        smooth_scale: Softplus scales instead of exponentials.
        residual_prior: Whether the prior's path adds to the stream.
        depth_scaled_init: Whether branches start smaller in deeper models.
        recompute: Whether activations are computed again in the backward
            pass, which saves memory and costs time.
        regularization_weight: Weight of the spectral and of the batch
            normalisation's regularisers.
        regularization_initial: Their weight at the start of the warm-up of
            beta; 0 keeps it constant.
    """

    model: str = "nvae"
    preset: str = "cpu_mnist"
    channels: int = 8
    pad: int = 2
    num_scales: int = 2
    num_groups: int = 4
    adaptive: bool = True
    min_groups: int = 1
    latent_channels: int = 8
    encoder_cells: int = 1
    decoder_cells: int = 1
    num_blocks: int = 2
    pre_cells: int = 1
    post_cells: int = 1
    decoder_expansion: int = 3
    post_expansion: int = 2
    kernel_size: int = 5
    num_flows: int = 0
    smooth_scale: bool = False
    residual_prior: bool = False
    depth_scaled_init: bool = False
    recompute: bool = False
    regularization_weight: float = 1e-2
    regularization_initial: float = 0.0
    batch_size: int = 64
    kl_balancing: bool = True
    beta_initial: float = 1e-4
    beta_warmup: float = 0.3
    optimizer: str = "adamax"
    learning_rate: float = 5e-3
    learning_rate_warmup: float = 0.05
    learning_rate_final: float = 0.02
    beta_2: float = 0.999
    optimizer_epsilon: float = 1e-3
    weight_decay: float = 3e-4
    clip_norm: float = 0.0
    ema_momentum: float = 0.0

    def __post_init__(self) -> None:
        check_choice("model", self.model, ("nvae",))
        check_choice("config.preset", self.preset, tuple(PRESETS))
        self.check_numbers(
            [
                "channels",
                "num_scales",
                "num_groups",
                "min_groups",
                "latent_channels",
                "encoder_cells",
                "decoder_cells",
                "pre_cells",
                "post_cells",
                "decoder_expansion",
                "post_expansion",
                "kernel_size",
            ],
            1,
            whole=True,
        )
        self.check_numbers(["pad", "num_blocks", "num_flows"], 0, whole=True)
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
        self.check_numbers(
            ["regularization_weight", "regularization_initial"], 0
        )
        if self.regularization_initial and not self.regularization_weight:
            raise UserError(
                "config.regularization_weight must be above 0 where "
                "config.regularization_initial is. Received: "
                f"config.regularization_initial={self.regularization_initial}"
            )
        super().__post_init__()

    @property
    def rows_are_independent(self) -> bool:
        return False  # Batch normalisation looks at the whole batch.

    @property
    def bfloat16_on_cpus(self) -> bool:
        return False  # Depthwise convolutions are slower in it.

    @classmethod
    def from_preset(cls, preset: str) -> "NVAEConfig":
        """Returns the configuration of a name in `PRESETS`.

        Raises:
            UserError: If there is no such preset.
        """
        check_choice("config.preset", preset, tuple(PRESETS))
        return cls(preset=preset, **PRESETS[preset])


MODEL_CONFIGS: dict[str, type[ModelConfig]] = {
    "autoencoder": VAEConfig,
    "hierarchical": HierarchicalConfig,
    "nvae": NVAEConfig,
    "vae": VAEConfig,
}


def model_config_class(name: object) -> type[ModelConfig]:
    """Returns the class of the configuration of a model.

    Raises:
        UserError: If there is no such model.
    """
    if not isinstance(name, str) or name not in MODEL_CONFIGS:
        near = did_you_mean(str(name), MODEL_CONFIGS)
        raise UserError(f"Unknown model. {near} Received: model={name}")
    return MODEL_CONFIGS[name]


def model_config_from_dict(values: dict[str, Any]) -> ModelConfig:
    """Returns the configuration of the model that `values["model"]` names.

    Raises:
        UserError: If there is no such model.
    """
    return model_config_class(values.get("model", "vae"))(**values)
