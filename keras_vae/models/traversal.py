"""What one latent dimension changes in an image."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_vae.models.vae import VAE

__all__ = ["traverse"]


def traverse(
    model: VAE,
    image: tf.Tensor,
    dimensions: Sequence[int] | np.ndarray,
    limit: float = 2.5,
    num_steps: int = 9,
) -> np.ndarray:
    """Decodes an image's code with one dimension at a time moved.

    Args:
        model: The model.
        image: `[1, height, width, channels]` in [0, 1].
        dimensions: Which latent dimensions, one row each.
        limit: They run from -limit to limit, in prior standard deviations.
        num_steps: Images in a row.

    Returns:
        Images `[dimension, step, height, width, channels]`.
    """
    code = model.encode(image).mean().numpy()[0]
    values = np.linspace(-limit, limit, num_steps)
    codes = np.tile(code, [len(dimensions), num_steps, 1])
    for row, dimension in enumerate(dimensions):
        codes[row, :, dimension] = values
    flat = tf.constant(codes.reshape([-1, model.latent_dim]), tf.float32)
    images = model.decode(flat).numpy()
    return images.reshape([len(dimensions), num_steps, *model.image_shape])
