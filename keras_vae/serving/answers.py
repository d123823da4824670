"""What a model answers, checked: it may be another one, broken, or hostile."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_vae.errors import UserError
from keras_vae.serving.backend import SignatureInfo, TensorInfo

__all__ = [
    "MAX_BYTES",
    "check_answer",
    "has_shape",
    "misfit",
    "read_json",
]

# Of an answer on its way. Requests are made so that it has a few MiB, or the
# numbers of one row.
MAX_BYTES = 128 << 20
_NUMBERS: dict[str, set[type]] = {
    "f": {int, float},
    "i": {int},
    "u": {int},
    "b": {bool},
}


def misfit(signature: str, reason: str, received: Any) -> UserError:
    """Returns the error of an answer that does not fit its signature."""
    return UserError(
        f"The answer does not fit the signature {signature}: is the model "
        f"another one by now? Received: {received} ({reason})"
    )


def check_answer(
    name: str,
    signature: SignatureInfo,
    outputs: Mapping[str, np.ndarray],
    num_rows: int,
    received: Any,
) -> None:
    """Checks that outputs are those of a signature, and can be used.

    Args:
        name: Of the signature.
        signature: What it gives.
        outputs: By name.
        num_rows: Rows of the request.
        received: Who answered, for the message.

    Raises:
        UserError: If names, dtypes or shapes differ, or a number is not
            finite.
    """
    if outputs.keys() != signature.outputs.keys():
        found = ", ".join(sorted(outputs)) or "nothing"
        raise misfit(name, f"outputs: {found}", received)
    for key, info in signature.outputs.items():
        array = outputs[key]
        if array.dtype != info.dtype:
            raise misfit(name, f"{key} is {array.dtype}", received)
        if not has_shape(array.shape, info, num_rows):
            raise misfit(name, f"{key} has {list(array.shape)}", received)
        if info.dtype.kind == "f" and not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0][0])
            raise UserError(
                f"The model's answer is not finite: {key} in row {row} of a "
                f"request of {name}. Received: {received}"
            )


def has_shape(shape: Sequence[int], info: TensorInfo, num_rows: int) -> bool:
    """Returns whether it is an output's shape for so many rows."""
    expected = (num_rows, *info.shape[1:])
    return len(shape) == len(expected) and all(
        size is None or size == found for size, found in zip(expected, shape)
    )


def read_json(
    outputs: Any, expected: Mapping[str, TensorInfo], num_rows: int
) -> dict[str, np.ndarray]:
    """Returns the outputs of an answer in JSON as arrays.

    Args:
        outputs: What stands under `outputs`; a single one goes without its
            name.
        expected: What they must be.
        num_rows: Rows of the request.

    Raises:
        ValueError: If they are something else.
    """
    if len(expected) == 1:
        outputs = dict.fromkeys(expected, outputs)
    if not isinstance(outputs, dict) or outputs.keys() != expected.keys():
        raise ValueError("other outputs")
    return {
        name: _array(name, outputs[name], info, num_rows)
        for name, info in expected.items()
    }


def _array(
    name: str, values: Any, info: TensorInfo, num_rows: int
) -> np.ndarray:
    """Returns nested lists as an array; NumPy takes "1" and None for numbers.

    Raises:
        ValueError: If the lists have another shape, or hold anything else.
    """
    level: list[Any] = [values]
    shape: list[int] = []
    for size in (num_rows, *info.shape[1:]):
        if not all(type(part) is list for part in level):
            raise ValueError(f"{name} has another shape")
        # A free size is what it is, the same everywhere.
        sizes = {len(part) for part in level} or {size or 0}
        if len(sizes) > 1 or size not in (None, *sizes):
            raise ValueError(f"{name} has another shape")
        shape.extend(sizes)
        level = [value for part in level for value in part]
    if info.dtype == object:
        array = np.empty(len(level), object)
        array[:] = [_decoded(name, value) for value in level]
    else:
        if not set(map(type, level)) <= _NUMBERS[info.dtype.kind]:
            raise ValueError(f"{name} is not of {info.dtype}")
        try:
            with np.errstate(over="ignore"):  # Infinity is refused later.
                array = np.array(level, info.dtype)
        except OverflowError as error:  # Beyond all floats, or the integers.
            raise ValueError(f"{name} is not of {info.dtype}") from error
    return array.reshape(shape)


def _decoded(name: str, value: Any) -> bytes:
    if not isinstance(value, dict) or value.keys() != {"b64"}:
        raise ValueError(f"{name} is not in base64")
    if not isinstance(value["b64"], str):
        raise ValueError(f"{name} is not in base64")
    return base64.b64decode(value["b64"], validate=True)
