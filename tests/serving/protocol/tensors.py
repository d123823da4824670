"""TensorProto to NumPy arrays and back.

References:
    tensorflow/core/framework/tensor.cc: FromProto, AsProtoField
"""

import math

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from tests.serving import signatures
from tests.serving.protocol.status import Code, StatusError

__all__ = ["from_proto", "to_proto"]

# A message of a few bytes may declare a tensor of any size.
_MAX_BYTES = 2**29
_ENUMS = {dtype: enum for enum, dtype in signatures.DTYPES.items()}
_FIELDS = {
    np.dtype(np.float32): "float_val",
    np.dtype(np.float64): "double_val",
    np.dtype(np.int64): "int64_val",
    np.dtype(np.bool_): "bool_val",
    np.dtype(object): "string_val",
}


def from_proto(name: str, proto: tensor_pb2.TensorProto) -> np.ndarray:
    """Returns the array of a message; strings as bytes objects.

    Args:
        name: Name of the input, for the error.
        proto: Values in `tensor_content` or in the field of their type; the
            last value is repeated where there are too few.

    Raises:
        StatusError: If the message holds no such tensor.
    """
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    if 8 * math.prod(sizes) > _MAX_BYTES:
        raise StatusError(
            Code.RESOURCE_EXHAUSTED, f"tensor {name} of shape {sizes}"
        )
    try:
        if min(sizes, default=0) < 0 or proto.tensor_shape.unknown_rank:
            raise ValueError(f"shape {sizes}")
        return tf.make_ndarray(proto)
    except (IndexError, TypeError, ValueError) as error:
        raise StatusError(
            Code.INVALID_ARGUMENT, f"tensor parsing error: {name}"
        ) from error


def to_proto(array: np.ndarray) -> tensor_pb2.TensorProto:
    """Returns the message of an array, its values in the field of its type."""
    proto = tensor_pb2.TensorProto(dtype=_ENUMS[array.dtype])
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    field = _FIELDS.get(array.dtype, "int_val")
    getattr(proto, field).extend(array.ravel().tolist())
    return proto
