"""What goes over the wire: status codes and tensors.

References:
    tensorflow_serving/model_servers/http_server.cc: ToHTTPStatusCode
    tensorflow/core/framework/tensor.cc: AsProtoField
"""

import grpc
import numpy as np
from grpc import StatusCode
from tensorflow.core.framework import tensor_pb2

from tests.serving import c_library, signatures

__all__ = ["StatusError", "to_proto"]

_CODES = {code.value[0]: code for code in StatusCode}
_HTTP = {
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.NOT_FOUND: 404,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.OUT_OF_RANGE: 400,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DEADLINE_EXCEEDED: 504,
}
_ENUMS = {dtype: enum for enum, dtype in signatures.DTYPES.items()}
# Of what exports take and give; float64 is for tests, which are refused it.
_FIELDS = {
    np.dtype(np.float32): "float_val",
    np.dtype(np.float64): "double_val",
    np.dtype(np.int32): "int_val",
    np.dtype(object): "string_val",
}


class StatusError(Exception):
    """A request that is answered with a code other than OK.

    Attributes:
        code: The code.
        message: What the client is told.
    """

    def __init__(self, code: grpc.StatusCode, message: str):
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message

    @classmethod
    def of(cls, error: c_library.CApiError) -> "StatusError":
        """Returns what TensorFlow refused."""
        return cls(_CODES[error.code], error.message)

    @property
    def http(self) -> int:
        """The HTTP status that the REST interface answers with."""
        return _HTTP.get(self.code, 500)


def to_proto(array: np.ndarray) -> tensor_pb2.TensorProto:
    """Returns the message of an array, its values in the field of its type.

    TensorFlow's own Python function would write them as bytes; the server does
    as here, and our client has to read it.
    """
    proto = tensor_pb2.TensorProto(dtype=_ENUMS[array.dtype])
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    getattr(proto, _FIELDS[array.dtype]).extend(array.ravel().tolist())
    return proto
