"""What is done to each image once, when it is read."""

from collections.abc import Callable

import tensorflow as tf

from keras_vae.data.config import DataConfig

__all__ = ["final_shape", "make_transform"]


def final_shape(
    image_shape: tuple[int, int, int], config: DataConfig
) -> tuple[int, int, int]:
    """Returns (H, W, C) of an image after resizing and padding."""
    height, width = config.resize or image_shape[:2]
    return height + 2 * config.pad, width + 2 * config.pad, image_shape[2]


def make_transform(
    image_shape: tuple[int, int, int], config: DataConfig
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the function that resizes and pads one image.

    Args:
        image_shape: (H, W, C) of the result.
        config: Gives `resize` and `pad`.

    Returns:
        transform: from uint8 [H0, W0, C] to uint8 [H, W, C].
    """
    resize, pad = config.resize, config.pad

    def transform(image):
        if resize is not None:
            smooth = tf.image.resize(image, resize, antialias=True)
            smooth = tf.clip_by_value(tf.round(smooth), 0.0, 255.0)
            image = tf.cast(smooth, tf.uint8)
        if pad:
            image = tf.pad(image, [[pad, pad], [pad, pad], [0, 0]])
        return tf.ensure_shape(image, image_shape)

    return transform
