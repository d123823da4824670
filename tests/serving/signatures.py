"""Signatures of a SavedModel, read without TensorFlow's own classes."""

import functools
from typing import Any, NamedTuple

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["DTYPES", "Signature", "TensorSpec", "parse"]

# TensorFlow's DataType -> NumPy's dtype; strings are bytes objects.
DTYPES: dict[int, np.dtype] = {
    1: np.dtype(np.float32),
    2: np.dtype(np.float64),
    3: np.dtype(np.int32),
    4: np.dtype(np.uint8),
    5: np.dtype(np.int16),
    6: np.dtype(np.int8),
    7: np.dtype(object),
    9: np.dtype(np.int64),
    10: np.dtype(np.bool_),
}

# Restores the variables while the model loads; not for callers, and its output
# is an operation without a value.
_INIT_SIGNATURE = "__saved_model_init_op"

_PACKAGE = "keras_vae.tests"
_FIELD = descriptor_pb2.FieldDescriptorProto

# Message -> (field, number, type, message type): the few fields that are
# needed, with the numbers of tensorflow/core/protobuf/meta_graph.proto and
# tensorflow/core/framework/tensor_shape.proto; protobuf passes over the
# others. A map is, on the wire, a repeated message of a key and a value.
_MESSAGES: dict[str, list[tuple[str, int, int, str | None]]] = {
    "Dim": [("size", 1, _FIELD.TYPE_INT64, None)],
    "Shape": [
        ("dim", 2, _FIELD.TYPE_MESSAGE, "Dim"),
        ("unknown_rank", 3, _FIELD.TYPE_BOOL, None),
    ],
    "TensorInfo": [
        ("name", 1, _FIELD.TYPE_STRING, None),
        ("dtype", 2, _FIELD.TYPE_INT32, None),
        ("tensor_shape", 3, _FIELD.TYPE_MESSAGE, "Shape"),
    ],
    "TensorEntry": [
        ("key", 1, _FIELD.TYPE_STRING, None),
        ("value", 2, _FIELD.TYPE_MESSAGE, "TensorInfo"),
    ],
    "SignatureDef": [
        ("inputs", 1, _FIELD.TYPE_MESSAGE, "TensorEntry"),
        ("outputs", 2, _FIELD.TYPE_MESSAGE, "TensorEntry"),
    ],
    "SignatureEntry": [
        ("key", 1, _FIELD.TYPE_STRING, None),
        ("value", 2, _FIELD.TYPE_MESSAGE, "SignatureDef"),
    ],
    "MetaGraphDef": [
        ("signature_def", 5, _FIELD.TYPE_MESSAGE, "SignatureEntry")
    ],
}
_REPEATED = {"dim", "inputs", "outputs", "signature_def"}


class TensorSpec(NamedTuple):
    """One input or output of a signature.

    Attributes:
        tensor_name: Name in the graph, as `"serving_default_image:0"`.
        dtype: NumPy dtype; `object` for strings.
        shape: Sizes, with None where a size is free; None as a whole where
            the rank is free.
    """

    tensor_name: str
    dtype: np.dtype
    shape: tuple[int | None, ...] | None


class Signature(NamedTuple):
    """Inputs and outputs of a signature, by their public names."""

    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]


@functools.cache
def _meta_graph_class() -> Any:
    """Builds the message class that reads the signatures of a MetaGraphDef.

    TensorFlow's own classes cannot be had without importing TensorFlow.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name="tests/serving/signatures.proto",
        package=_PACKAGE,
        syntax="proto3",
    )
    for message_name, fields in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for name, number, kind, type_name in fields:
            field = message.field.add(name=name, number=number, type=kind)
            field.label = (
                _FIELD.LABEL_REPEATED
                if name in _REPEATED
                else _FIELD.LABEL_OPTIONAL
            )
            if type_name:
                field.type_name = f".{_PACKAGE}.{type_name}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"{_PACKAGE}.MetaGraphDef")
    )


def _spec(info: Any) -> TensorSpec:
    """Returns the TensorSpec of a TensorInfo message."""
    if info.dtype not in DTYPES:
        raise ValueError(
            f"Tensor {info.name!r} has a dtype that this client cannot pass; "
            f"it knows {sorted(DTYPES)}. Received: dtype={info.dtype}."
        )
    shape = info.tensor_shape
    sizes = tuple(None if d.size < 0 else d.size for d in shape.dim)
    return TensorSpec(
        info.name, DTYPES[info.dtype], None if shape.unknown_rank else sizes
    )


def parse(meta_graph: bytes) -> dict[str, Signature]:
    """Returns the signatures of a serialized MetaGraphDef.

    Args:
        meta_graph: What `TF_LoadSessionFromSavedModel` gives.

    Returns:
        signatures: name -> `Signature`, without the one that restores the
        variables.
    """
    parsed = _meta_graph_class().FromString(meta_graph)
    return {
        entry.key: Signature(
            {item.key: _spec(item.value) for item in entry.value.inputs},
            {item.key: _spec(item.value) for item in entry.value.outputs},
        )
        for entry in parsed.signature_def
        if entry.key != _INIT_SIGNATURE
    }
