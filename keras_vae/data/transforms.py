"""What is done to images as such: size, border, mirroring, mutation."""

from collections.abc import Callable

import tensorflow as tf

from keras_vae.config.data_config import DataConfig

__all__ = ["final_shape", "flip_half", "make_transform", "mutate"]


def final_shape(
    image_shape: tuple[int, int, int], config: DataConfig
) -> tuple[int, int, int]:
    """Returns (H, W, C) of an image after resizing and padding."""
    height, width = config.resize or image_shape[:2]
    return height + 2 * config.pad, width + 2 * config.pad, image_shape[2]


def make_transform(
    image_shape: tuple[int, int, int],
    resize: tuple[int, int] | None = None,
    pad: int = 0,
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the function that resizes and pads one image.

    Args:
        image_shape: (H, W, C) of the result.
        resize: (height, width) in pixels; None: as the image is.
        pad: Black pixels added on every side, after that.

    Returns:
        transform: from uint8 [H0, W0, C] to uint8 [H, W, C].
    """

    def transform(image):
        if resize is not None:
            smooth = tf.image.resize(image, resize, antialias=True)
            smooth = tf.clip_by_value(tf.round(smooth), 0.0, 255.0)
            image = tf.cast(smooth, tf.uint8)
        if pad:
            image = tf.pad(image, [[pad, pad], [pad, pad], [0, 0]])
        return tf.ensure_shape(image, image_shape)

    return transform


def flip_half(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mirrors each image left to right with probability 1 / 2.

    Args:
        images: [N, H, W, C].
        seed: int64 [2], a stateless seed.

    Returns:
        images: [N, H, W, C].
    """
    shape = [tf.shape(images)[0], 1, 1, 1]
    draw = tf.random.stateless_uniform(
        shape, seed, 0, 2, tf.int32, alg="philox"
    )
    return tf.where(draw == 1, tf.reverse(images, axis=[2]), images)


def mutate(
    images: tf.Tensor,
    rate: float,
    seed: tf.Tensor,
    level_seed: tf.Tensor,
    binary: bool = False,
) -> tf.Tensor:
    """Replaces some values by random levels.

    Args:
        images: uint8, any shape.
        rate: Probability of each value (of a pixel, in each channel) to be
            replaced, 0 ... 1.
        seed: int64 [2], a stateless seed: which values.
        level_seed: int64 [2], a stateless seed: by what.
        binary: Whether the levels are 0 and 255, else 0 ... 255, each as
            probable as the others; the old level is one of them.

    Returns:
        images: uint8, the same shape.

    References:
        Ren et al. 2019, "Likelihood ratios for out-of-distribution
        detection", section 3.
    """
    shape = tf.shape(images)
    chosen = tf.random.stateless_uniform(shape, seed, alg="philox") < rate
    levels = tf.random.stateless_uniform(
        shape, level_seed, 0, 2 if binary else 256, tf.int32, alg="philox"
    )
    levels = tf.cast(levels * (255 if binary else 1), tf.uint8)
    return tf.where(chosen, levels, images)
