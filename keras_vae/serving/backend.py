"""What a client asks: an export in process, or a server over gRPC or REST."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

import numpy as np

from keras_vae.errors import UserError

__all__ = [
    "Backend",
    "SignatureInfo",
    "TensorInfo",
    "UnavailableError",
    "graph_error",
    "in_order",
    "one_line",
    "parse_signatures",
]

_Value = TypeVar("_Value")

# The order in which outputs stand in answers, tables and files. Maps of
# protocol messages have none.
_ORDER = ("elbo", "log_likelihood", "kl_divergence", "mean", "stddev")
_MAX_TEXT = 240
_MAX_READ = 10_000
# Names of TensorFlow's DataType -> NumPy's dtype; strings are bytes objects.
_DTYPES: dict[str, np.dtype] = {
    "DT_FLOAT": np.dtype(np.float32),
    "DT_DOUBLE": np.dtype(np.float64),
    "DT_INT32": np.dtype(np.int32),
    "DT_INT64": np.dtype(np.int64),
    "DT_UINT8": np.dtype(np.uint8),
    "DT_BOOL": np.dtype(np.bool_),
    "DT_STRING": np.dtype(object),
}
# Restores the variables while the model loads; not for callers.
_INIT_SIGNATURE = "__saved_model_init_op"


@dataclasses.dataclass(frozen=True)
class TensorInfo:
    """One input or output of a signature.

    Attributes:
        dtype: NumPy dtype; `object` for strings, which are bytes.
        shape: Sizes, None where a size is free: the first, the batch, is.
    """

    dtype: np.dtype
    shape: tuple[int | None, ...]


@dataclasses.dataclass(frozen=True)
class SignatureInfo:
    """Inputs and outputs of a signature, by name, in the order of answers."""

    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]


class UnavailableError(UserError):
    """Nothing answers now, but the same request may be answered later."""


class Backend(Protocol):
    """Asks one model; may be shared by threads.

    Everything that goes wrong is a `UserError`, and an `UnavailableError`
    where it is worth another try.
    """

    @property
    def signatures(self) -> dict[str, SignatureInfo]:
        """What the model answers, by name."""

    @property
    def metadata(self) -> dict[str, Any]:
        """What the export says of itself; empty for a server's model."""

    def __call__(
        self, signature: str, **inputs: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Returns a signature's outputs for inputs that fit it, `in_order`."""

    def close(self) -> None:
        """Lets connections go; requests that wait for an answer fail."""


def in_order(tensors: Mapping[str, _Value]) -> dict[str, _Value]:
    """Returns inputs or outputs in the order in which they are shown.

    It is that of the documentation: `elbo`, `log_likelihood`, `kl_divergence`
    and `mean`, `stddev`; any others follow by name.
    """

    def place(name: str) -> tuple[int, str]:
        known = _ORDER.index(name) if name in _ORDER else len(_ORDER)
        return known, name

    return {name: tensors[name] for name in sorted(tensors, key=place)}


def parse_signatures(signatures: dict[str, Any]) -> dict[str, SignatureInfo]:
    """Returns the signatures of a model from the JSON form of its metadata.

    Args:
        signatures: Name to `SignatureDef`, as TF Serving's REST API writes it:
            fields and enums by name, int64 as text.

    Raises:
        AttributeError, KeyError, TypeError, ValueError, OverflowError: If it
            has another form.
    """
    return {
        name: SignatureInfo(
            _parse_tensors(signature.get("inputs", {})),
            _parse_tensors(signature.get("outputs", {})),
        )
        for name, signature in signatures.items()
        if name != _INIT_SIGNATURE
    }


def _parse_tensors(tensors: dict[str, Any]) -> dict[str, TensorInfo]:
    return {
        name: TensorInfo(_DTYPES[info["dtype"]], _parse_shape(info))
        for name, info in in_order(tensors).items()
    }


def _parse_shape(info: dict[str, Any]) -> tuple[int | None, ...]:
    # Protobuf leaves out what is zero or empty.
    dims = info.get("tensor_shape", {}).get("dim", [])
    sizes = [int(dim.get("size", 0)) for dim in dims]
    return tuple(None if size < 0 else size for size in sizes)


def one_line(text: str | None) -> str:
    """Returns what a server says as one line of bounded length."""
    line = " ".join((text or "")[:_MAX_READ].split())
    # No control characters, which a terminal would obey.
    line = "".join(c if c.isprintable() else "?" for c in line)
    if len(line) > _MAX_TEXT:
        line = line[: _MAX_TEXT - 3] + "..."
    return line or "nothing"


def graph_error(message: str) -> str:
    """Returns an error of a graph in one line, without where it arose."""
    _, traced, after = message.partition("<stack traces unavailable>")
    found = (after if traced else message).split("[[{{node", 1)[0].strip()
    if "(most recent call last)" in found:
        found = found.splitlines()[-1]
    return one_line(found)
