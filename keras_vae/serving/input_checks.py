"""Checks inputs before they are sent: a server's own words are terse."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from keras_vae.data import inspect_image, open_image_file
from keras_vae.errors import UserError, did_you_mean, printable, shown
from keras_vae.io.local_files import check_local
from keras_vae.serving.backend import SignatureInfo, TensorInfo

__all__ = ["check_inputs", "check_list", "read_file"]

# The largest file that is sent: far more than a picture for a model.
_MAX_FILE_BYTES = 16 << 20
_MAX_FILE_MIB = _MAX_FILE_BYTES >> 20
_FORMATS = ("PNG", "JPEG")


def check_list(name: str, values: Any) -> Iterable[Any]:
    """Returns `values` if it is a list or the like of several things.

    Raises:
        UserError: If it is text, bytes, a path or nothing of the kind.
    """
    one = isinstance(values, (bytes, bytearray, memoryview, str, os.PathLike))
    if one or not isinstance(values, Iterable):
        raise UserError(
            f"{name} must be a list. Received: {type(values).__name__}"
        )
    return values


def check_inputs(
    name: str,
    signature: SignatureInfo,
    inputs: Mapping[str, Any],
    num_classes: int | None = None,
) -> dict[str, np.ndarray]:
    """Returns the inputs of a signature as arrays that fit it.

    Args:
        name: Of the signature.
        signature: What it takes.
        inputs: By name; each `[batch, ...]`.
        num_classes: Labels are below it, where it is known.

    Returns:
        Arrays of exactly the signature's dtypes. Floats of another precision
        and integers of another size are converted.

    Raises:
        UserError: If an input is missing, unknown, empty, of a wrong type or
            shape, not finite, or out of its range.
    """
    if not isinstance(inputs, Mapping):
        raise UserError(
            "A batch must be a dict of the inputs by name. "
            f"Received: {type(inputs).__name__}"
        )
    _check_names(name, signature, inputs)
    arrays = {
        key: _converted(key, inputs[key], info)
        for key, info in signature.inputs.items()
    }
    rows = {key: len(array) for key, array in arrays.items()}
    if len(set(rows.values())) != 1:
        found = ", ".join(f"{key} {count}" for key, count in rows.items())
        raise UserError(
            f"All inputs must have the same number of rows. Received: {found}"
        )
    if not next(iter(rows.values())):
        raise UserError(
            f"{name} needs at least one row. Received: an empty batch"
        )
    for key, array in arrays.items():
        _check_values(key, array, num_classes)
    return arrays


def read_file(
    file: bytes | str | os.PathLike[str], image_shape: tuple[int, int, int]
) -> bytes:
    """Returns the content of a PNG or JPEG file, its header checked.

    What its header promises is checked, and nothing decoded: a small file may
    claim a picture that fills the memory of a server.

    Args:
        file: Its path, or its content.
        image_shape: (height, width, channels) of the model's images.

    Raises:
        UserError: If it cannot be read, is too large, is no PNG or JPEG, has
            more than 8 bits a channel, or another size than the model's images.
    """
    if not isinstance(file, (bytes, str, os.PathLike)):
        raise UserError(
            "A file must be its path, or its content as bytes. "
            f"Received: {type(file).__name__}"
        )
    source = file if isinstance(file, bytes) else check_local("a file", file)
    name = "its bytes" if isinstance(file, bytes) else printable(file)
    try:
        with open_image_file(source) as stream:
            data = stream.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UserError(
            f"The file cannot be read ({error.strerror}). Received: {name}"
        ) from error
    if len(data) > _MAX_FILE_BYTES:
        raise UserError(
            f"The file has more than {_MAX_FILE_MIB} MiB: it is not "
            f"an image for this model. Received: {name}"
        )
    header = inspect_image(source)
    if header.format not in _FORMATS:
        raise UserError(
            "The file cannot be read by a server: it is not PNG or JPEG. "
            f"Received: {header.format} in {name}"
        )
    if (header.height, header.width) != image_shape[:2]:
        raise UserError(
            f"The model takes images of {image_shape[0]}x{image_shape[1]} "
            "pixels (height x width): resize the file. Received: "
            f"{header.height}x{header.width} in {name}"
        )
    return data


def _check_names(
    name: str, signature: SignatureInfo, inputs: Mapping[str, Any]
) -> None:
    if "label" in signature.inputs and "label" not in inputs:
        raise UserError(
            "The model is conditional: give a label, int32 [batch]. "
            "Received: no label"
        )
    if "label" in inputs and "label" not in signature.inputs:
        raise UserError(
            f"{name} takes no label: the model is not conditional. "
            "Received: a label"
        )
    unknown = sorted(map(shown, inputs.keys() - signature.inputs.keys()))
    if unknown:
        raise UserError(
            f"{name} has no such input. "
            f"{did_you_mean(unknown[0], signature.inputs)} "
            f"Received: {unknown[0]}"
        )
    if signature.inputs.keys() != inputs.keys():
        raise UserError(
            f"{name} takes {', '.join(signature.inputs)}. "
            f"Received: {', '.join(sorted(inputs)) or 'nothing'}"
        )


def _converted(key: str, value: Any, info: TensorInfo) -> np.ndarray:
    """Returns `value` with the dtype of `info`, its shape checked."""
    if info.dtype == object:
        return _converted_files(key, value)
    try:
        array = np.asarray(value)
    except ValueError as error:  # Rows of several lengths.
        raise _wrong_shape(key, info, "rows of several shapes") from error
    except (OverflowError, TypeError) as error:
        raise UserError(
            f"{key} must be an array. Received: {type(value).__name__}"
        ) from error
    kinds = "f" if info.dtype.kind == "f" else "iu"
    if array.dtype.kind not in kinds:
        hint = ""
        if key == "image" and array.dtype == np.uint8:
            hint = ": divide 8-bit levels by 255"
        raise UserError(
            f"{key} must be {info.dtype}{hint}. Received: {array.dtype}"
        )
    expected = (array.shape[:1] or (None,)) + info.shape[1:]
    if array.ndim != len(info.shape) or any(
        size is not None and size != found
        for size, found in zip(expected, array.shape)
    ):
        raise _wrong_shape(key, info, str(list(array.shape)))
    if kinds == "iu" and array.size:
        limits = np.iinfo(info.dtype)
        if array.min() < limits.min or array.max() > limits.max:
            raise UserError(
                f"{key} must fit {info.dtype}. Received: {array.min()} ... "
                f"{array.max()}"
            )
    with np.errstate(over="ignore"):  # Infinity is refused later.
        return np.ascontiguousarray(array, info.dtype)


def _wrong_shape(key: str, info: TensorInfo, received: str) -> UserError:
    sizes = ["batch", *("any" if n is None else n for n in info.shape[1:])]
    return UserError(
        f"{key} must have the shape [{', '.join(map(str, sizes))}]. "
        f"Received: {received}"
    )


def _converted_files(key: str, value: Any) -> np.ndarray:
    is_list = isinstance(value, Iterable) and not isinstance(
        value, (bytes, str)
    )
    files = list(value) if is_list else []
    wrong = [file for file in files if not isinstance(file, bytes)]
    if wrong or not is_list:
        found = type(wrong[0] if wrong else value).__name__
        raise UserError(
            f"{key} must be a list of bytes, those of PNG or JPEG files. "
            f"Received: {found}"
        )
    for index, file in enumerate(files):
        if not 0 < len(file) <= _MAX_FILE_BYTES:
            raise UserError(
                f"A file may have 1 byte ... {_MAX_FILE_MIB} MiB. "
                f"Received: {len(file):,} bytes in {key}[{index}]"
            )
    array = np.empty([len(files)], object)
    array[:] = files
    return array


def _check_values(key: str, array: np.ndarray, num_classes: int | None) -> None:
    if array.dtype.kind == "f":
        found = "NaN or infinity"
        _require(np.isfinite(array), f"{key} must be finite", found)
    if key == "image":
        found = f"{array.min():g} ... {array.max():g}, the first of them"
        valid = (array >= 0) & (array <= 1)
        _require(valid, "image must be in [0, 1]", found)
    if key == "temperature":
        found = f"{array.min():g}"
        _require(array >= 0, "temperature must be at least 0", found)
    if key == "label":
        valid = (array >= 0) & (array < (num_classes or np.inf))
        last = "..." if num_classes is None else f"... {num_classes - 1}"
        found = ", ".join(map(str, array[~valid][:1]))
        _require(valid, f"label must be 0 {last}", found)


def _require(valid: np.ndarray, what: str, found: str) -> None:
    if not valid.all():
        row = int(np.argwhere(~valid)[0][0])
        raise UserError(f"{what}. Received: {found} in row {row}")
