"""The sizes of NVAE: groups, channels, shapes, parameters."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from keras_vae.config import NVAEConfig, check_number
from keras_vae.errors import UserError

__all__ = [
    "NVAEArchitecture",
    "check_sizes",
    "groups_per_scale",
    "scale_shapes",
]

_OF_BOTH = ("pad", "channels", "num_blocks", "depth_scaled_init", "recompute")
_OF_ENCODER = ("pre_cells", "encoder_cells")
_OF_DECODER = (
    "latent_channels",
    "decoder_cells",
    "post_cells",
    "decoder_expansion",
    "post_expansion",
    "kernel_size",
    "num_flows",
    "smooth_scale",
    "residual_prior",
)


def check_sizes(groups_per_scale: Sequence[int], **sizes: int) -> None:
    """Raises UserError unless each scale has a group, and each size is one.

    Args:
        groups_per_scale: Latent groups of each scale.
        **sizes: Whole numbers of at least 1, by their names.
    """
    if not groups_per_scale:
        raise UserError(
            "groups_per_scale must have an entry for each scale, one at least. "
            f"Received: groups_per_scale={tuple(groups_per_scale)}"
        )
    for scale, count in enumerate(groups_per_scale):
        check_number(f"groups_per_scale[{scale}]", count, 1, whole=True)
    for name, size in sizes.items():
        check_number(name, size, 1, whole=True)


def groups_per_scale(
    num_groups: int, num_scales: int, adaptive: bool, min_groups: int = 1
) -> tuple[int, ...]:
    """Returns the number of latent groups of each scale, the top one first.

    Args:
        num_groups: Groups at the highest resolution, which comes last.
        num_scales: Number of scales.
        adaptive: Whether each scale has half the groups, rounded down, of the
            one of twice its resolution, instead of as many.
        min_groups: Least number where they are halved.
    """
    counts = [num_groups]
    for _ in range(num_scales - 1):
        half = max(min_groups, counts[-1] // 2)
        counts.append(half if adaptive else num_groups)
    return tuple(reversed(counts))


def scale_shapes(
    image_shape: Sequence[int],
    pad: int,
    channels: int,
    num_blocks: int,
    num_scales: int,
    prefix: str = "",
) -> tuple[tuple[int, int, int], ...]:
    """Returns (height, width, channels) of each scale, the top one first.

    Args:
        image_shape: (height, width, channels) of the images.
        pad: Pixels that are added on each side.
        channels: Channels at the images' resolution, doubled at each halving.
        num_blocks: Halvings before the first scale.
        num_scales: Number of scales.
        prefix: Goes before the names of the settings in errors.

    Raises:
        UserError: If the padded image cannot be halved that often, or the
            channels cannot be split.
    """
    height, width = (size + 2 * pad for size in image_shape[:2])
    halvings = num_blocks + num_scales - 1
    if height % 2**halvings or width % 2**halvings:
        raise UserError(
            f"The images' height and width plus 2 * {prefix}pad must be "
            f"divisible by 2^({prefix}num_blocks + {prefix}num_scales - 1) = "
            f"{2**halvings}: resize or pad the images, or halve them less "
            f"often. Received: image_shape={tuple(image_shape)}, "
            f"{prefix}pad={pad}, {prefix}num_blocks={num_blocks}, "
            f"{prefix}num_scales={num_scales}"
        )
    if halvings and channels % 2:
        raise UserError(
            f"{prefix}channels must be even: where the resolution is halved, "
            "twice as many split into four parts. "
            f"Received: {prefix}channels={channels}"
        )
    return tuple(
        (height // 2**k, width // 2**k, channels * 2**k)
        for k in range(halvings, num_blocks - 1, -1)
    )


@dataclasses.dataclass(frozen=True)
class NVAEArchitecture:
    """What a configuration of NVAE comes to for images of one size.

    Attributes:
        image_shape: (height, width, channels) of the images.
        config: The sizes and options of the networks.

    Raises:
        UserError: If the sizes do not fit the images.
    """

    image_shape: tuple[int, int, int]
    config: NVAEConfig

    def __post_init__(self) -> None:
        self.scale_shapes  # noqa: B018, it checks them.

    @property
    def groups_per_scale(self) -> tuple[int, ...]:
        """Number of groups of each scale, the top one first."""
        config = self.config
        return groups_per_scale(
            config.num_groups,
            config.num_scales,
            config.adaptive,
            config.min_groups,
        )

    @property
    def scale_shapes(self) -> tuple[tuple[int, int, int], ...]:
        """(height, width, channels) of each scale, the top one first."""
        config = self.config
        return scale_shapes(
            self.image_shape,
            config.pad,
            config.channels,
            config.num_blocks,
            config.num_scales,
            prefix="config.",
        )

    @property
    def feature_shapes(self) -> tuple[tuple[int, int, int], ...]:
        """Shape of the encoder's feature of each group, the top one first."""
        pairs = zip(self.scale_shapes, self.groups_per_scale, strict=True)
        return tuple(shape for shape, count in pairs for _ in range(count))

    @property
    def group_shapes(self) -> tuple[tuple[int, int, int], ...]:
        """Event shape of each latent group, the top one first."""
        return tuple(
            (height, width, self.config.latent_channels)
            for height, width, _ in self.feature_shapes
        )

    @property
    def latent_dim(self) -> int:
        """Number of latent variables."""
        return sum(math.prod(shape) for shape in self.group_shapes)

    def encoder_arguments(self) -> dict[str, Any]:
        """Returns keyword arguments of `NVAEEncoder`."""
        arguments = self._arguments(_OF_BOTH + _OF_ENCODER)
        return {"image_shape": self.image_shape, **arguments}

    def decoder_arguments(self) -> dict[str, Any]:
        """Returns keyword arguments of `NVAEDecoder`, but the likelihood."""
        return self._arguments(_OF_BOTH + _OF_DECODER)

    def _arguments(self, names: Sequence[str]) -> dict[str, Any]:
        settings = {name: getattr(self.config, name) for name in names}
        return {"groups_per_scale": self.groups_per_scale, **settings}

    def num_parameters(self, output_channels: int) -> int:
        """Returns the number of trainable parameters, without building any.

        Args:
            output_channels: Parameters of the likelihood for each pixel.
        """
        config = self.config
        channels, latents = config.channels, config.latent_channels
        height, width, top = self.scale_shapes[0]
        num_groups = len(self.group_shapes)
        flows = config.num_flows * (120 * latents**2 + 328 * latents)
        return (
            _conv(3, self.image_shape[-1], channels)
            + _conv(1, top, top)
            + (height * width * top if num_groups > 1 else 0)
            + self._outer_parameters()
            + (self._inner_parameters() if num_groups > 1 else 0)
            + self._head_parameters()
            + num_groups * flows
            + _conv(3, channels, output_channels)
        )

    def _outer_parameters(self) -> int:
        """Before the first scale and after it."""
        config = self.config
        e, k = config.post_expansion, config.kernel_size
        total = 0
        for block in range(config.num_blocks):
            c = config.channels * 2**block
            total += (config.pre_cells - 1) * _encoder_cell(c) + _down_cell(c)
            total += (config.post_cells - 1) * _decoder_cell(c, e, k)
            total += _up_cell(2 * c, e, k)
        return total

    def _inner_parameters(self) -> int:
        """The cells of the two towers."""
        config = self.config
        e, k = config.decoder_expansion, config.kernel_size
        # The top group has none on the way down.
        top = self.scale_shapes[0][-1]
        total = -config.decoder_cells * _decoder_cell(top, e, k)
        for *_, c in self.feature_shapes:
            total += config.encoder_cells * _encoder_cell(c)
            total += config.decoder_cells * _decoder_cell(c, e, k)
        for *_, c in self.scale_shapes[:-1]:
            total += _down_cell(c // 2) + _up_cell(c, e, k)
        return total

    def _head_parameters(self) -> int:
        """Of priors and posteriors, and what merges with the state."""
        latents = self.config.latent_channels
        total = 0
        for index, (*_, c) in enumerate(self.feature_shapes):
            total += _conv(3, c, 2 * latents)
            if index:
                more = c if self.config.residual_prior else 0
                total += _conv(1, c, 2 * latents + more) + _conv(1, c, c)
            alone = len(self.feature_shapes) == 1
            total += _conv(1, latents if alone else c + latents, c)
        return total


def _conv(size: int, channels: int, filters: int) -> int:
    """With a bias and a gain for each filter."""
    return size * size * channels * filters + 2 * filters


def _squeeze_excite(c: int) -> int:
    hidden = max(c // 16, 4)
    return 2 * c * hidden + hidden + c


def _encoder_cell(c: int) -> int:
    return 2 * (9 * c * c + 4 * c) + _squeeze_excite(c)


def _down_cell(c: int) -> int:
    return 56 * c * c + 18 * c + _squeeze_excite(2 * c)


def _decoder_cell(c: int, e: int, k: int) -> int:
    inner = (2 * c + 4 + k * k) * e * c
    return 4 * c + inner + _squeeze_excite(c)


def _up_cell(c: int, e: int, k: int) -> int:
    skip = c * (c + 1) // 2
    inner = (3 * c * e * c) // 2 + (4 + k * k) * e * c
    return skip + inner + 3 * c + _squeeze_excite(c // 2)
