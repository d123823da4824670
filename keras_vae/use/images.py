"""Images that somebody has in an array, as a model takes them."""

import numpy as np

from keras_vae.data import ArraySplit
from keras_vae.data.transforms import make_transform
from keras_vae.training import TrainedModel

__all__ = ["prepared"]

_BATCH_SIZE = 256


def prepared(
    images: np.ndarray,
    trained: TrainedModel,
    *,
    seed: int = 0,
    dequantize: bool = False,
) -> np.ndarray:
    """Returns images as a model takes them, float32 `[num, H, W, C]`.

    Args:
        images: uint8 levels `[num, H, W, C]`, or `[num, H, W]` of grey images:
            resized, padded, binarized or dequantized as the run's; or floats,
            which are taken as they are.
        trained: The model, with how its images are prepared.
        seed: Of their binarization and dequantization.
        dequantize: Whether grey levels get the noise of dequantization, which
            belongs to a likelihood.

    Raises:
        ValueError: If they are neither, or not of the model's shape.
    """
    images = np.asarray(images)
    shape = trained.model.image_shape
    if images.ndim == 3 and shape[-1] == 1:
        images = images[..., np.newaxis]
    is_float = images.dtype.kind == "f"
    if images.ndim != 4 or not (is_float or images.dtype == np.uint8):
        raise ValueError(
            "`images` must be uint8 levels or floats in [0, 1], "
            "[num, height, width, channels]. "
            f"Received: {images.dtype} {list(images.shape)}"
        )
    preparation = trained.preparation
    if not is_float and images.shape[1:] != shape:
        images = _resized(images, trained)
    if images.shape[1:] != shape:
        raise ValueError(
            f"`images` must be {list(shape)}, as the model's. "
            f"Received: {list(images.shape[1:])}"
        )
    if is_float:
        return images.astype(np.float32)
    batches = preparation.evaluation_batches(
        ArraySplit(images),
        batch_size=_BATCH_SIZE,
        seed=seed,
        dequantize=dequantize,
    )
    return np.concatenate([batch.numpy() for batch in batches])


def _resized(images: np.ndarray, trained: TrainedModel) -> np.ndarray:
    """Returns images resized and padded as the run's, where they can be."""
    preparation, shape = trained.preparation, trained.model.image_shape
    pad = preparation.pad
    original = (shape[0] - 2 * pad, shape[1] - 2 * pad, shape[2])
    if preparation.resize is None and images.shape[1:] != original:
        return images
    if images.shape[-1] != shape[-1]:
        return images
    transform = make_transform(shape, preparation.resize, pad)
    return np.stack([transform(image).numpy() for image in images])
