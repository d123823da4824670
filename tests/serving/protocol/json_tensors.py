"""Tensors in the JSON of the REST interface, in rows and in columns.

References:
    tensorflow_serving/util/json_tensor.cc
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from tensorflow.core.framework import types_pb2

from tests.serving import signatures
from tests.serving.protocol.status import Code, StatusError

__all__ = ["Request", "format_answer", "parse_object", "parse_request"]

_MAX_FLOAT32_INTEGER = 2**24 - 1


class Request(NamedTuple):
    """What the body of a `:predict` request asks.

    Attributes:
        inputs: Name -> array.
        rows: Whether the answer is in rows.
    """

    inputs: dict[str, np.ndarray]
    rows: bool


def parse_object(body: bytes) -> dict[str, Any]:
    """Returns the JSON object of a body."""
    if not body:
        raise _error("JSON Parse error: The document is empty")
    try:
        document = json.loads(body)
    except (RecursionError, ValueError) as error:
        offset = getattr(error, "pos", 0)
        raise _error(
            f"JSON Parse error: Invalid value. at offset: {offset}"
        ) from error
    if not isinstance(document, dict):
        raise _error(f"JSON Value: {_short(document)} Is not object")
    if not isinstance(document.get("signature_name", ""), str):
        raise _error(
            f"JSON Value: {_short(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    return document


def parse_request(
    document: Mapping[str, Any], input_infos: Mapping[str, Any]
) -> Request:
    """Returns the tensors of a `:predict` request.

    Args:
        document: From `parse_object`.
        input_infos: The signature's inputs: name -> TensorInfo message.
    """
    dtypes = {name: info.dtype for name, info in input_infos.items()}
    if "instances" in document and "inputs" in document:
        raise _error(
            f"JSON Value: {_short(document)} Not formatted correctly expecting "
            "only one of 'inputs' or 'instances' keys to exist "
        )
    if "instances" in document:
        return Request(_parse_rows(document["instances"], dtypes), True)
    if "inputs" in document:
        return Request(_parse_columns(document["inputs"], dtypes), False)
    raise _error("Missing 'inputs' or 'instances' key")


def format_answer(outputs: Mapping[str, np.ndarray], rows: bool) -> bytes:
    """Returns the body of an answer.

    Args:
        outputs: Name -> array; strings under a name that ends in `_bytes` go
            in base64, others as text.
        rows: Whether the request came in rows.
    """
    # Maps of protocol messages have no order; this one is sorted.
    lists = {name: _to_lists(name, outputs[name]) for name in sorted(outputs)}
    if not rows:
        content = lists if len(lists) > 1 else next(iter(lists.values()))
        return json.dumps({"outputs": content}).encode()
    sizes = {name: array.shape[:1] for name, array in outputs.items()}
    for name, size in sizes.items():
        if not size:
            raise _error(f"Tensor name: {name} has no shape information ")
    if len(set(sizes.values())) > 1:
        raise _error(f"Tensor names have inconsistent batch sizes: {sizes}")
    names = list(lists)
    predictions = [
        dict(zip(names, row, strict=True)) if len(names) > 1 else row[0]
        for row in zip(*lists.values(), strict=True)
    ]
    return json.dumps({"predictions": predictions}).encode()


def _parse_rows(value: Any, dtypes: Mapping[str, int]) -> dict[str, np.ndarray]:
    if not isinstance(value, list):
        raise _error(
            f"JSON Value: {_short(value)} Excepting 'instances' to be an "
            "list/array"
        )
    if not value:
        raise _error("JSON Value: [] No values in 'instances' array")
    named = _is_named(value[0])
    if not named and len(dtypes) > 1:
        raise _error(
            "instances is a plain list, but expecting list of objects as "
            "multiple input tensors required as per tensorinfo_map"
        )
    for index, row in enumerate(value):
        if _is_named(row) != named:
            raise _error(
                f"Expecting {'object' if named else 'value/list'} but got "
                f"{'list' if named else 'object'} at item {index} of input list"
            )
        if named and set(row) != set(dtypes):
            raise _error(
                f"Failed to process element: {index} of 'instances' list. JSON "
                f"object: {_short(row)} keys must be equal to: "
                f"{','.join(sorted(dtypes))}"
            )
    arrays = {}
    for name, dtype in dtypes.items():
        rows = [_to_array(row[name] if named else row, dtype) for row in value]
        for index, row in enumerate(rows):
            if row.shape != rows[0].shape:
                raise _error(
                    f"Failed to process element: {index} key: {name} of "
                    "'instances' list. Error: Expecting shape "
                    f"{list(rows[0].shape)} but got: {list(row.shape)}"
                )
        arrays[name] = np.stack(rows)
    return arrays


def _parse_columns(
    value: Any, dtypes: Mapping[str, int]
) -> dict[str, np.ndarray]:
    if not _is_named(value):
        if len(dtypes) > 1:
            raise _error(
                "inputs is a plain value/list, but expecting an object as "
                "multiple input tensors required as per tensorinfo_map"
            )
        ((name, dtype),) = dtypes.items()
        return {name: _to_array(value, dtype)}
    arrays = {}
    for name, dtype in dtypes.items():
        if name not in value:
            raise _error(f"Missing named input: {name} in 'inputs' object.")
        arrays[name] = _to_array(value[name], dtype)
    return arrays


def _is_named(value: Any) -> bool:
    """Tells an object of named tensors from one that holds base64."""
    return isinstance(value, dict) and not _is_base64(value)


def _is_base64(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and list(value) == ["b64"]
        and isinstance(value["b64"], str)
    )


def _to_array(value: Any, dtype: int) -> np.ndarray:
    """Returns nested lists as an array of a DataType."""
    if dtype not in signatures.DTYPES:
        raise StatusError(
            Code.UNIMPLEMENTED, f"Conversion of JSON Value to {_name(dtype)}"
        )
    shape = []
    level = value
    while isinstance(level, list):
        shape.append(len(level))
        if not level:
            break
        level = level[0]
    leaves: list[Any] = []
    _collect(value, 0, shape, leaves)
    numpy_dtype = signatures.DTYPES[dtype]
    array = np.empty(len(leaves), numpy_dtype)
    array[:] = [_leaf(leaf, dtype, numpy_dtype) for leaf in leaves]
    return array.reshape(shape)


def _collect(value: Any, level: int, shape: list[int], leaves: list[Any]):
    if not isinstance(value, list):
        if level != len(shape):
            raise _error(
                f"JSON Value: {_short(value)} found at incorrect level: "
                f"{level + 1} in the JSON DOM. Expected at level: {len(shape)}"
            )
        leaves.append(value)
        return
    if level >= len(shape):
        raise _error(
            f"Encountered list at unexpected level: {level} expected < "
            f"{len(shape)}"
        )
    if len(value) != shape[level]:
        raise _error(
            f"Encountered list at unexpected size: {len(value)} at level: "
            f"{level} expected size: {shape[level]}"
        )
    for item in value:
        _collect(item, level + 1, shape, leaves)


def _leaf(value: Any, dtype: int, numpy_dtype: np.dtype) -> Any:
    """Returns one value, if it is of the type."""
    if numpy_dtype.kind == "O":
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, dict):
            return _decode_base64(value)
    elif numpy_dtype == np.bool_:
        if isinstance(value, bool):
            return value
    elif isinstance(value, bool):
        pass
    elif numpy_dtype.kind == "f":
        if isinstance(value, int | float):
            _check_lossless(value, numpy_dtype)
            return value
    elif isinstance(value, int):
        limits = np.iinfo(numpy_dtype)
        if limits.min <= value <= limits.max:
            return value
    raise _error(
        f"JSON Value: {_short(value)} Type: {_type(value)} is not of expected "
        f"type: {_name(dtype)}"
    )


def _check_lossless(value: float, dtype: np.dtype) -> None:
    top: float = _MAX_FLOAT32_INTEGER if dtype == np.float32 else 2**53 - 1
    if isinstance(value, float):
        top = float(np.finfo(dtype).max)
        if not np.isfinite(value):
            return
    if abs(value) > top:
        raise _error(
            f"Cannot convert JSON value: {_short(value)} to {dtype} without "
            "loss of precision."
        )


def _decode_base64(value: dict[str, Any]) -> bytes:
    if not _is_base64(value):
        raise _error(
            f"JSON Value: {_short(value)} not formatted correctly for base64 "
            "data"
        )
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (ValueError, binascii.Error) as error:
        raise _error("Unable to base64 decode") from error


def _to_lists(name: str, array: np.ndarray) -> Any:
    if array.dtype != object:
        return array.tolist()
    flat: list[Any] = [
        {"b64": base64.b64encode(value).decode()}
        if name.endswith("_bytes")
        else value.decode(errors="replace")
        for value in array.ravel()
    ]
    boxes = np.empty(len(flat), object)
    boxes[:] = flat
    return boxes.reshape(array.shape).tolist()


def _short(value: Any) -> str:
    """The start of a value's JSON, for messages."""
    text = json.dumps(value)
    return text if len(text) < 200 else f"{text[:200]}..."


def _type(value: Any) -> str:
    if value is None:
        return "Null"
    names = {bool: str(value), dict: "Object", list: "Array", str: "String"}
    return names.get(type(value), "Number")


def _name(dtype: int) -> str:
    return types_pb2.DataType.Name(dtype).removeprefix("DT_").lower()


def _error(message: str) -> StatusError:
    return StatusError(Code.INVALID_ARGUMENT, message)
