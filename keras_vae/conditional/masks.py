"""Which pixels of an image are missing."""

import dataclasses

import numpy as np

from keras_vae.config import check_choice, check_number

__all__ = ["KINDS", "SIDES", "MaskConfig"]

KINDS = ("random", "box", "half")
SIDES = ("top", "bottom", "left", "right", "any")


@dataclasses.dataclass(frozen=True)
class MaskConfig:
    """Draws which positions of each image are missing.

    Attributes:
        kind: `random`: so many positions, anywhere; `box`: a box of about so
            many, as tall to wide as the image, anywhere; `half`: one half.
        share: Of the positions that are missing, above 0 and at most 1; of
            `random` and `box` alone.
        side: The half that is missing: `top`, `bottom`, `left`, `right` or, for
            each image anew, `any`; of `half` alone.
        seed: Image i has the mask of (seed, i), whatever is around it.

    Raises:
        UserError: If a value is not possible.
    """

    kind: str = "random"
    share: float = 0.5
    side: str = "any"
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("mask", self.kind, KINDS)
        check_choice("side", self.side, SIDES)
        check_number("share", self.share, 0, strict=True, high=1)
        check_number("seed", self.seed, 0, whole=True)

    def draw(self, num_images: int, height: int, width: int) -> np.ndarray:
        """Returns float32 `[num_images, height, width]`, 1 where missing."""
        masks = np.zeros([num_images, height, width], np.float32)
        for index, mask in enumerate(masks):
            random = np.random.default_rng([self.seed, index])
            if self.kind == "random":
                _random(mask, self.share, random)
            elif self.kind == "box":
                _box(mask, self.share, random)
            else:
                side = self.side
                if side == "any":
                    side = SIDES[random.integers(4)]
                _half(mask, side)
        return masks


def _random(
    mask: np.ndarray, share: float, random: np.random.Generator
) -> None:
    count = min(max(round(share * mask.size), 1), mask.size)
    mask.reshape(-1)[random.permutation(mask.size)[:count]] = 1.0


def _box(mask: np.ndarray, share: float, random: np.random.Generator) -> None:
    height, width = (
        min(max(round(np.sqrt(share) * size), 1), size) for size in mask.shape
    )
    top = random.integers(mask.shape[0] - height + 1)
    left = random.integers(mask.shape[1] - width + 1)
    mask[top : top + height, left : left + width] = 1.0


def _half(mask: np.ndarray, side: str) -> None:
    height, width = mask.shape
    if side == "top":
        mask[: height // 2] = 1.0
    elif side == "bottom":
        mask[height // 2 :] = 1.0
    elif side == "left":
        mask[:, : width // 2] = 1.0
    else:
        mask[:, width // 2 :] = 1.0
