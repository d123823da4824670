"""Tensors in the JSON of the REST interface, in rows and in columns.

What is wrong is a ValueError or an OverflowError, whose words are the answer.

References:
    tensorflow_serving/util/json_tensor.cc
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.serving import signatures

__all__ = ["format_answer", "parse_inputs"]

# What JSON may hold for the kinds of NumPy's dtypes that exports take.
_TYPES: dict[str, set[type]] = {"f": {int, float}, "i": {int}}


def parse_inputs(
    document: Mapping[str, Any], infos: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Returns the tensors of a `:predict` request.

    Args:
        document: The body: rows in `instances`, or columns in `inputs`.
        infos: The signature's inputs: name -> TensorInfo message.
    """
    columns = document.get("inputs")
    if "instances" in document:
        columns = _to_columns(document["instances"], set(infos))
    elif columns is None:
        raise ValueError("Missing 'inputs' or 'instances' key")
    if not _is_named(columns):
        if len(infos) > 1:
            raise ValueError(
                "a plain list, but expecting objects as multiple input tensors "
                "required as per tensorinfo_map"
            )
        columns = dict.fromkeys(infos, columns)
    for name in infos:
        if name not in columns:
            raise ValueError(f"Missing named input: {name} in 'inputs' object.")
    return {
        name: _to_array(columns[name], signatures.DTYPES[info.dtype])
        for name, info in infos.items()
    }


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
    if len(set(sizes.values())) > 1 or () in sizes.values():
        raise ValueError(f"Tensor names have inconsistent batch sizes: {sizes}")
    names = list(lists)
    predictions = [
        dict(zip(names, row, strict=True)) if len(names) > 1 else row[0]
        for row in zip(*lists.values(), strict=True)
    ]
    return json.dumps({"predictions": predictions}).encode()


def _to_columns(rows: Any, names: set[str]) -> Any:
    """Returns rows of named tensors as columns, and plain ones as they are."""
    if not any(map(_is_named, rows)):
        return rows
    for index, row in enumerate(rows):
        if not _is_named(row) or set(row) != names:
            raise ValueError(
                f"Failed to process element: {index} of 'instances' list. JSON "
                f"object: {json.dumps(row)[:200]} keys must be equal to: "
                f"{','.join(sorted(names))}"
            )
    return {name: [row[name] for row in rows] for name in names}


def _is_named(value: Any) -> bool:
    """Tells an object of named tensors from one that holds base64."""
    return isinstance(value, dict) and list(value) != ["b64"]


def _to_array(value: Any, dtype: np.dtype) -> np.ndarray:
    """Returns nested lists as an array."""
    shape: list[int] = []
    level = [value]
    while level and all(isinstance(part, list) for part in level):
        sizes = {len(part) for part in level}
        if len(sizes) > 1:
            raise ValueError(f"Encountered list at unexpected size: {sizes}")
        shape += sizes
        level = [item for part in level for item in part]
    array = np.empty(len(level), dtype)
    # What is beyond a float becomes infinity, for the graph to refuse.
    with np.errstate(over="ignore"):
        array[:] = [_leaf(item, dtype) for item in level]
    return array.reshape(shape)


def _leaf(value: Any, dtype: np.dtype) -> Any:
    """Returns one value, if it is of the type."""
    if dtype.kind == "O":
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, dict) and isinstance(value.get("b64"), str):
            return base64.b64decode(value["b64"], validate=True)
    elif type(value) in _TYPES[dtype.kind]:
        return value
    raise ValueError(
        f"JSON Value: {json.dumps(value)[:200]} is not of expected type: "
        f"{dtype}"
    )


def _to_lists(name: str, array: np.ndarray) -> Any:
    if array.dtype != object:
        return array.tolist()
    boxes = np.empty(array.size, object)
    boxes[:] = [
        {"b64": base64.b64encode(value).decode()}
        if name.endswith("_bytes")
        else value.decode(errors="replace")
        for value in array.ravel()
    ]
    return boxes.reshape(array.shape).tolist()
