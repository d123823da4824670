"""Which pixels of an image are missing."""

import dataclasses
import os

import numpy as np

from keras_vae.config import check_choice, check_number
from keras_vae.data import inspect_image, read_image
from keras_vae.errors import UserError
from keras_vae.local_files import check_local

__all__ = ["KINDS", "SIDES", "MaskConfig", "read_mask"]

KINDS = ("random", "box", "half")
SIDES = ("top", "bottom", "left", "right", "any")

# A pixel of a mask file from this level on is white.
_WHITE = 128


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


def read_mask(
    path: str | os.PathLike[str], height: int, width: int
) -> np.ndarray:
    """Reads which positions are missing from an image file.

    Args:
        path: An image file. White, level 128 or more, is missing, as in
            programs that repair photographs; black is observed.
        height: Of the model's images.
        width: Of the model's images.

    Returns:
        missing: float32 `[height, width]`, 1 where missing.

    Raises:
        UserError: If it cannot be read, has another size, or says that nothing
            is missing.
    """
    path = check_local("mask", path)
    if not path.exists():
        raise UserError(f"There is no such mask file. Received: {path}")
    file = inspect_image(path)
    if (file.height, file.width) != (height, width):
        raise UserError(
            f"A mask must have the size of the model's images, {height}x{width}"
            f" (height x width). Received: {file.height}x{file.width} in {path}"
        )
    missing = (read_image(path, 1)[..., 0] >= _WHITE).astype(np.float32)
    if not missing.any():
        raise UserError(
            "The mask has no white pixel, so nothing is missing: white is what "
            f"is to be drawn. Received: {path}"
        )
    return missing
