"""What the signatures of this package's models are, wherever they are read."""

from collections.abc import Mapping

import numpy as np

from keras_vae.errors import UserError
from keras_vae.serving.backend import SignatureInfo, TensorInfo

__all__ = ["check_signature"]

_IMAGE, _LATENT, _ROW = (np.float32, 4), (np.float32, 2), (np.float32, 1)
_FILE = (object, 1)
_SEED, _LABEL = (np.int32, 2), (np.int32, 1)
# Signature -> (inputs, outputs): name -> (dtype, rank), the batch counted.
_SIGNATURES: dict[str, tuple[dict[str, tuple], dict[str, tuple]]] = {
    "reconstruct": ({"image": _IMAGE}, {"reconstruction": _IMAGE}),
    "encode": ({"image": _IMAGE}, {"mean": _LATENT, "stddev": _LATENT}),
    "decode": ({"z": _LATENT}, {"image": _IMAGE}),
    "sample": ({"seed": _SEED, "temperature": _ROW}, {"image": _IMAGE}),
    "score": (
        {"image": _IMAGE, "seed": _SEED},
        dict.fromkeys(("elbo", "log_likelihood", "kl_divergence"), _ROW),
    ),
    "reconstruct_bytes": (
        {"image_bytes": _FILE},
        {"reconstruction_bytes": _FILE},
    ),
    "class_names": ({"label": _LABEL}, {"class_name_bytes": _FILE}),
}
# Of a plain autoencoder.
_CODES = {"z": _LATENT}


def check_signature(name: str, signature: SignatureInfo) -> None:
    """Checks that a signature is what this package exports under its name.

    Others than this package's pass: they can be asked for by their names.

    Args:
        name: Of the signature.
        signature: What the model says of it.

    Raises:
        UserError: If an input or output is missing or has another dtype or
            rank, an input is none of the package's, or a size is free or 0.
    """
    if name not in _SIGNATURES:
        return
    inputs, outputs = _SIGNATURES[name]
    if name == "encode" and "z" in signature.outputs:
        outputs = _CODES
    if "label" in signature.inputs:
        inputs = {**inputs, "label": _LABEL}
    _check(name, "input", inputs, signature.inputs)
    _check(name, "output", outputs, signature.outputs)
    unknown = sorted(signature.inputs.keys() - inputs.keys())
    if unknown:
        raise _foreign(name, f"input {unknown[0]}")


def _check(
    name: str,
    side: str,
    expected: Mapping[str, tuple],
    found: Mapping[str, TensorInfo],
) -> None:
    for key, (dtype, rank) in expected.items():
        info = found.get(key)
        if info is None:
            raise _foreign(name, f"no {side} {key}")
        if (
            info.dtype != dtype
            or len(info.shape) != rank
            or not all(info.shape[1:])
        ):
            shape = ["free" if n is None else n for n in info.shape]
            raise _foreign(name, f"{side} {key}: {info.dtype} {shape}")


def _foreign(name: str, found: str) -> UserError:
    return UserError(
        "The model is not an export of this package: its signature "
        f"{name} is another one. Received: {found}"
    )
