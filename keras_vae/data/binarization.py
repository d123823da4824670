"""Grey levels to numbers: scaling, binarization, dequantization.

An image is stored as levels 0 ... 255. A model sees one of

* level / 255 in [0, 1];
* a Bernoulli draw with P(1) = level / 255 (binarization; Salakhutdinov and
  Murray 2008, Burda et al. 2016);
* (level + u) / 256 with u ~ U[0, 1) (dequantization; Theis et al. 2016).

The first and the last can be had with fewer bits b: the level is then
floor(level / 2^(8 - b)), one of 2^b, and 255 and 256 are 2^b - 1 and 2^b.
"""

import numpy as np
import tensorflow as tf

from keras_vae.config.data_config import MAX_BITS
from keras_vae.errors import UserError

__all__ = [
    "binarize_array",
    "dequantize",
    "noise_seed",
    "sample_binary",
    "to_unit_interval",
]

_CHUNK_BYTES = 32 * 2**20

# The uses of noise: no two of them share a stateless seed.
_USES = {
    "binarization": 1,
    "dequantization": 2,
    "order": 3,
    "files": 4,
    "window": 5,
    "flip": 6,
    "mutation": 7,
    "mutated_level": 8,
}


def noise_seed(seed: int, use: str, index: tf.Tensor) -> tf.Tensor:
    """Returns the stateless seed, int64 [2], of one draw.

    Args:
        seed: The run's seed, 0 ... 2**32 - 1.
        use: What the noise is for: "binarization", "dequantization",
            "order", "files", "window", "flip", "mutation" or
            "mutated_level".
        index: int64 scalar; step, epoch or position of the draw.
    """
    first = tf.constant(seed + (_USES[use] << 32), tf.int64)
    return tf.stack([first, tf.cast(index, tf.int64)])


def to_unit_interval(
    images: np.ndarray | tf.Tensor, num_bits: int = MAX_BITS
) -> tf.Tensor:
    """Scales grey levels to [0, 1], as training does.

    Args:
        images: uint8, any shape.
        num_bits: Bits that are kept of each level, 1 ... 8.

    Returns:
        images: float32, the same shape; level / 255, or with b bits
        floor(level / 2^(8 - b)) / (2^b - 1).

    Raises:
        UserError: When `images` are not uint8.

    Example:
        >>> to_unit_interval(np.array([0, 51, 255], np.uint8)).numpy()
        array([0. , 0.2, 1. ], dtype=float32)
    """
    if images.dtype != np.uint8:
        raise UserError(
            "images must be grey levels of type uint8 (0 ... 255); images "
            "that are in [0, 1] already need no scaling. "
            f"Received: dtype={images.dtype}"
        )
    return _highest_bits(images, num_bits) / (2.0**num_bits - 1.0)


def _highest_bits(images: np.ndarray | tf.Tensor, num_bits: int) -> tf.Tensor:
    if num_bits < MAX_BITS:
        lost = tf.constant(MAX_BITS - num_bits, tf.uint8)
        images = tf.bitwise.right_shift(images, lost)
    return tf.cast(images, tf.float32)


def sample_binary(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draws bits with P(1) = level / 255 exactly.

    Args:
        images: uint8, any shape.
        seed: int64 [2], a stateless seed.

    Returns:
        bits: bool, the same shape.
    """
    # u in 0 ... 254 is less than `level` in exactly `level` cases of 255.
    # The algorithm is named so that the noise is the same on every device.
    uniform = tf.random.stateless_uniform(
        tf.shape(images), seed, 0, 255, tf.int32, alg="philox"
    )
    return uniform < tf.cast(images, tf.int32)


def dequantize(
    images: tf.Tensor, seed: tf.Tensor, num_bits: int = MAX_BITS
) -> tf.Tensor:
    """Spreads each level evenly over its bin of width 1 / 2^num_bits.

    Args:
        images: uint8, any shape.
        seed: int64 [2], a stateless seed.
        num_bits: Bits that are kept of each level, 1 ... 8.

    Returns:
        images: float32 in [0, 1], the same shape.

    References:
        Theis, van den Oord, Bethge 2016, "A note on the evaluation of
        generative models", section 3.1.
    """
    uniform = tf.random.stateless_uniform(tf.shape(images), seed, alg="philox")
    return (_highest_bits(images, num_bits) + uniform) / 2.0**num_bits


def binarize_array(
    images: np.ndarray, seed: int, out: np.ndarray | None = None
) -> np.ndarray:
    """Binarizes a whole split by one fixed draw.

    The draw is `RandomState(seed).rand(*images.shape) < images / 255` in
    NumPy's frozen legacy generator, so that figures can be reproduced
    anywhere; it is made in chunks, which gives the same numbers.

    Args:
        images: uint8 [N, H, W, C].
        seed: 0 ... 2**32 - 1.
        out: Where to put the result. None: a new array.

    Returns:
        images: uint8 [N, H, W, C], 0 or 255.
    """
    random = np.random.RandomState(seed)
    binary = np.empty_like(images) if out is None else out
    # rand() makes float64 of the chunk.
    rows = max(1, _CHUNK_BYTES // (8 * max(1, images[:1].size)))
    for start in range(0, len(images), rows):
        chunk = images[start : start + rows]
        binary[start : start + rows] = random.rand(*chunk.shape) < chunk / 255.0
    binary *= 255
    return binary
