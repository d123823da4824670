"""Images that somebody has in an array, as a model takes them."""

import numpy as np

from keras_vae.data import ArraySplit
from keras_vae.data.transforms import make_transform
from keras_vae.models.batches import check_images
from keras_vae.training import TrainedModel

__all__ = ["missing_pixels", "prepared"]

_BATCH_SIZE = 256


def prepared(
    images: np.ndarray,
    trained: TrainedModel,
    *,
    seed: int = 0,
    dequantize: bool = False,
    missing: np.ndarray | None = None,
) -> np.ndarray:
    """Returns images as a model takes them, float32 `[num, H, W, C]`.

    Args:
        images: uint8 levels `[num, H, W, C]`, or `[num, H, W]` of grey images:
            resized, padded, binarized or dequantized as the run's; or floats
            in [0, 1], which are taken as they are.
        trained: The model, with how its images are prepared.
        seed: Of their binarization and dequantization.
        dequantize: Whether grey levels get the noise of dequantization, which
            belongs to a likelihood.
        missing: What is not looked at, bool `[num, H, W]`: floats may be
            anything there, and are NaN where they are no value of an image.

    Raises:
        ValueError: If they are neither, none at all, not finite, or not of the
            model's shape.
    """
    _refuse_masked("images", images)
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
    if not len(images):
        raise ValueError(
            "`images` must be at least one image. "
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
        return _checked(images, missing)
    batches = preparation.evaluation_batches(
        ArraySplit(images),
        batch_size=_BATCH_SIZE,
        seed=seed,
        dequantize=dequantize,
    )
    return np.concatenate([batch.numpy() for batch in batches])


def missing_pixels(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Returns which pixels of images are missing, bool `[num, H, W]`.

    Args:
        mask: Truth values, or numbers that are 0 or 1, `[H, W]` or
            `[num, H, W]`.
        shape: (num, H, W) of the images.

    Raises:
        ValueError: If it is something else, hides nothing at all, or all of an
            image.
    """
    _refuse_masked("mask", mask)
    values = np.asarray(mask)
    if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise ValueError(
            "`mask` must hold truth values, or 0 where a pixel is known and 1 "
            f"where it is missing. Received: {values.dtype} values"
        )
    if values.shape not in (shape[1:], shape):
        raise ValueError(
            "`mask` must be [H, W] or [num, H, W], as the images are. "
            f"Received: {values.shape} for images {shape}"
        )
    if not values.any():
        raise ValueError(
            "`mask` must hide something: nothing is left to draw. "
            "Received: 0 everywhere"
        )
    if values.all(axis=(-2, -1)).any():
        raise ValueError(
            "`mask` must leave something of each image to go by: `sample` "
            "draws new ones. Received: 1 everywhere"
        )
    return np.broadcast_to(values != 0, shape)


def _checked(images: np.ndarray, missing: np.ndarray | None) -> np.ndarray:
    """Returns floats as float32, if they are images where it matters."""
    if missing is not None:
        inside = (images >= 0) & (images <= 1)
        images = np.where(missing[..., np.newaxis] & ~inside, np.nan, images)
        seen = np.where(missing[..., np.newaxis], 0.0, images)
    else:
        seen = images
    if not np.isfinite(seen).all():
        raise ValueError(
            "`images` must be finite numbers in [0, 1]. "
            f"Received: {seen[~np.isfinite(seen)][0]}"
        )
    check_images(seen, seen.shape[1:])
    return images.astype(np.float32)


def _refuse_masked(name: str, array: np.ndarray) -> None:
    if isinstance(array, np.ma.MaskedArray):
        raise ValueError(
            f"`{name}` must be a plain array: the mask of a masked one would "
            "be lost, give it on its own. Received: a masked array"
        )


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
