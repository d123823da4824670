"""Latents in the .npz files that `encode` writes."""

import tokenize
import zipfile
import zlib
from collections.abc import Sequence

import numpy as np

from keras_vae.errors import UserError, shown
from keras_vae.io.local_files import check_local

__all__ = ["read_latents"]

# What NumPy raises for a file that is no .npz, is damaged, or lacks the array.
_ERRORS = (
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
_MAX_LABEL = 2**31 - 1
_EXPECTED = "decode takes one .npz file with an array `mean` or `z`."


def read_latents(
    path: str,
    latent_dim: int,
    with_labels: bool,
    class_names: Sequence[str] | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Reads latents, and the classes beside them.

    Args:
        path: The file.
        latent_dim: Size of the model's latents.
        with_labels: Whether classes are wanted.
        class_names: Names of the model's classes, where they are known: those
            in the file, `class_names`, must be the same.

    Returns:
        z: float32 `[num, latent_dim]`, finite.
        labels: Number of the class of each, integers `[num]`, or None.

    Raises:
        UserError: If the file has no such latents.
    """
    check_local("an input", path)
    try:
        # Opened here: NumPy leaves a file that is cut off open.
        with (
            open(path, "rb") as file,
            np.load(file, allow_pickle=False) as arrays,
        ):
            name = "mean" if "mean" in arrays else "z"
            # No complex numbers, and no text; infinity is refused below.
            with np.errstate(over="ignore"):
                # Bytes of a member that is no array have no numbers.
                z = np.asarray(arrays[name])
                z = z.astype(np.float32, casting="same_kind")
            labels, names = None, None
            if with_labels and "label" in arrays:
                labels = np.asarray(arrays["label"])
                if "class_names" in arrays:
                    names = np.asarray(arrays["class_names"]).tolist()
    except _ERRORS as error:
        raise UserError(f"{_EXPECTED} Received: {path}") from error
    if z.ndim != 2 or not len(z) or z.shape[1] != latent_dim:
        raise UserError(
            f"The latents must have the shape [num, {latent_dim}]. "
            f"Received: {list(z.shape)} in {path}"
        )
    if not np.isfinite(z).all():
        raise UserError(
            f"The latents must be finite. Received: NaN or infinity in {path}"
        )
    if names is not None and class_names and names != list(class_names):
        raise UserError(
            "The classes of the latents must be those of the model, in their "
            f"order: give the class of each row, or of all, with --label. "
            f"Received: {shown(names)} in {path}; the model has "
            f"{shown(list(class_names))}"
        )
    return z, None if labels is None else _checked(labels, len(z), path)


def _checked(labels: np.ndarray, num: int, path: str) -> np.ndarray:
    whole = labels.shape == (num,) and labels.dtype.kind in "iu"
    if not whole or labels.min() < 0 or labels.max() > _MAX_LABEL:
        found = f"{labels.dtype} {list(labels.shape)}"
        raise UserError(
            f"The labels must be {num} classes, whole numbers, one for each "
            f"row of the latents. Received: {found} in {path}"
        )
    return labels
