"""The sizes of NVAE: groups, channels, shapes, parameters."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from keras_vae.errors import UserError

__all__ = ["NVAEArchitecture", "groups_per_scale", "scale_shapes"]

_AT_LEAST_ZERO = ("pad", "num_blocks", "num_flows")
_NOT_COUNTS = ("image_shape", "adaptive")


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
) -> tuple[tuple[int, int, int], ...]:
    """Returns (height, width, channels) of each scale, the top one first.

    Args:
        image_shape: (height, width, channels) of the images.
        pad: Pixels that are added on each side.
        channels: Channels at the images' resolution, doubled at each halving.
        num_blocks: Halvings before the first scale.
        num_scales: Number of scales.

    Raises:
        UserError: If the padded image cannot be halved that often, or the
            channels cannot be split.
    """
    height, width = (size + 2 * pad for size in image_shape[:2])
    halvings = num_blocks + num_scales - 1
    if height % 2**halvings or width % 2**halvings:
        raise UserError(
            "`image_shape` with `pad` added on each side must be divisible by "
            f"2^(num_blocks + num_scales - 1) = {2**halvings}. Received: "
            f"image_shape={tuple(image_shape)}, pad={pad}, "
            f"num_blocks={num_blocks}, num_scales={num_scales}"
        )
    if halvings and channels % 2:
        raise UserError(
            "`channels` must be even: where the resolution is halved, twice "
            f"as many split into four parts. Received: channels={channels}"
        )
    return tuple(
        (height // 2**k, width // 2**k, channels * 2**k)
        for k in range(halvings, num_blocks - 1, -1)
    )


@dataclasses.dataclass(frozen=True)
class NVAEArchitecture:
    """What `NVAEEncoder` and `NVAEDecoder` have in common, checked.

    Attributes:
        image_shape: (height, width, channels) of the images.
        pad: Black pixels added on each side, inside the networks only.
        channels: Channels at the images' resolution, doubled at each halving.
        num_scales: Resolutions that have latent groups.
        num_groups: Latent groups at the highest of them.
        adaptive: Whether each lower one has half as many.
        min_groups: Least number of groups of a scale.
        latent_channels: Channels of each group.
        encoder_cells: Residual cells for each group on the way up.
        decoder_cells: Residual cells for each group on the way down.
        num_blocks: Halvings before the first scale and doublings after it.
        pre_cells: Residual cells of each halving.
        post_cells: Residual cells of each doubling.
        decoder_expansion: Factor of the channels inside the decoder's cells.
        post_expansion: The same after the last group.
        kernel_size: Odd size of the depthwise convolutions.
        num_flows: Pairs of flow cells for each group.

    Raises:
        UserError: If a number is too small, or the sizes do not fit.
    """

    image_shape: tuple[int, int, int]
    pad: int = 0
    channels: int = 32
    num_scales: int = 2
    num_groups: int = 10
    adaptive: bool = True
    min_groups: int = 1
    latent_channels: int = 20
    encoder_cells: int = 2
    decoder_cells: int = 2
    num_blocks: int = 2
    pre_cells: int = 3
    post_cells: int = 3
    decoder_expansion: int = 6
    post_expansion: int = 3
    kernel_size: int = 5
    num_flows: int = 0

    def __post_init__(self) -> None:
        if len(self.image_shape) != 3:
            raise UserError(
                "`image_shape` must be (height, width, channels). "
                f"Received: image_shape={tuple(self.image_shape)}"
            )
        for field in dataclasses.fields(self):
            if field.name not in _NOT_COUNTS:
                least = 0 if field.name in _AT_LEAST_ZERO else 1
                _check_count(field.name, getattr(self, field.name), least)
        if self.kernel_size % 2 == 0:
            raise UserError(
                "`kernel_size` must be odd. "
                f"Received: kernel_size={self.kernel_size}"
            )
        if self.adaptive and self.min_groups > self.num_groups:
            raise UserError(
                "`min_groups` must not be above `num_groups`. Received: "
                f"min_groups={self.min_groups}, num_groups={self.num_groups}"
            )
        self.scale_shapes  # noqa: B018, it checks them.

    @property
    def groups_per_scale(self) -> tuple[int, ...]:
        """Number of groups of each scale, the top one first."""
        return groups_per_scale(
            self.num_groups, self.num_scales, self.adaptive, self.min_groups
        )

    @property
    def scale_shapes(self) -> tuple[tuple[int, int, int], ...]:
        """(height, width, channels) of each scale, the top one first."""
        return scale_shapes(
            self.image_shape,
            self.pad,
            self.channels,
            self.num_blocks,
            self.num_scales,
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
            (height, width, self.latent_channels)
            for height, width, _ in self.feature_shapes
        )

    @property
    def latent_dim(self) -> int:
        """Number of latent variables."""
        return sum(math.prod(shape) for shape in self.group_shapes)

    def encoder_arguments(self) -> dict[str, Any]:
        """Returns keyword arguments of `NVAEEncoder`."""
        names = ("image_shape", "pre_cells", "encoder_cells")
        return {**self._common(), **{n: getattr(self, n) for n in names}}

    def decoder_arguments(self) -> dict[str, Any]:
        """Returns keyword arguments of `NVAEDecoder`, but the likelihood."""
        names = (
            "latent_channels",
            "decoder_cells",
            "post_cells",
            "decoder_expansion",
            "post_expansion",
            "kernel_size",
            "num_flows",
        )
        return {**self._common(), **{n: getattr(self, n) for n in names}}

    def _common(self) -> dict[str, Any]:
        return {
            "pad": self.pad,
            "channels": self.channels,
            "groups_per_scale": self.groups_per_scale,
            "num_blocks": self.num_blocks,
        }

    def num_parameters(self, output_channels: int) -> int:
        """Returns the number of trainable parameters, without building any.

        Args:
            output_channels: Parameters of the likelihood for each pixel.
        """
        channels, latents = self.channels, self.latent_channels
        height, width, top = self.scale_shapes[0]
        num_groups = len(self.group_shapes)
        flows = self.num_flows * (120 * latents**2 + 328 * latents)
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
        e, k = self.post_expansion, self.kernel_size
        total = 0
        for block in range(self.num_blocks):
            c = self.channels * 2**block
            total += (self.pre_cells - 1) * _encoder_cell(c) + _down_cell(c)
            total += (self.post_cells - 1) * _decoder_cell(c, e, k)
            total += _up_cell(2 * c, e, k)
        return total

    def _inner_parameters(self) -> int:
        """The cells of the two towers."""
        e, k = self.decoder_expansion, self.kernel_size
        # The top group has none on the way down.
        top = self.scale_shapes[0][-1]
        total = -self.decoder_cells * _decoder_cell(top, e, k)
        for *_, c in self.feature_shapes:
            total += self.encoder_cells * _encoder_cell(c)
            total += self.decoder_cells * _decoder_cell(c, e, k)
        for *_, c in self.scale_shapes[:-1]:
            total += _down_cell(c // 2) + _up_cell(c, e, k)
        return total

    def _head_parameters(self) -> int:
        """Of priors and posteriors, and what merges with the state."""
        latents = self.latent_channels
        total = 0
        for index, (*_, c) in enumerate(self.feature_shapes):
            total += _conv(3, c, 2 * latents)
            if index:
                total += _conv(1, c, 2 * latents) + _conv(1, c, c)
            alone = len(self.feature_shapes) == 1
            total += _conv(1, latents if alone else c + latents, c)
        return total


def _check_count(name: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or value < least:
        raise UserError(
            f"`{name}` must be a whole number of at least {least}. "
            f"Received: {name}={value}"
        )


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
