"""Asks TF Serving over gRPC.

References:
    tensorflow_serving/apis/prediction_service.proto
"""

import math
from typing import Any, TypeVar

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format, message
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

from keras_vae.errors import UserError
from keras_vae.serving.address import ServerAddress
from keras_vae.serving.answers import MAX_BYTES, has_shape, misfit
from keras_vae.serving.backend import (
    SignatureInfo,
    TensorInfo,
    UnavailableError,
    one_line,
    parse_signatures,
)

__all__ = ["GrpcBackend"]

_Message = TypeVar("_Message", bound=message.Message)

_SERVICE = "tensorflow.serving.PredictionService"
_SIGNATURES = "signature_def"
_OPTIONS = [
    # A batch of large images is more than the default, 4 MiB.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", MAX_BYTES),
    # Else a try soon after a failure would not even try to connect.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # The server is asked directly, as over REST.
    ("grpc.enable_http_proxy", 0),
]
# What an answer of another form raises where signatures are looked for.
_FOREIGN = (
    AttributeError,
    KeyError,
    OverflowError,
    TypeError,
    ValueError,
    message.DecodeError,
)
# DataType -> the field of a TensorProto that holds values one by one.
_VALUES = {
    types_pb2.DT_FLOAT: "float_val",
    types_pb2.DT_DOUBLE: "double_val",
    types_pb2.DT_INT32: "int_val",
    types_pb2.DT_INT64: "int64_val",
    types_pb2.DT_UINT8: "int_val",
    types_pb2.DT_BOOL: "bool_val",
    types_pb2.DT_STRING: "string_val",
}
# What gRPC says where the certificate is another's or signed by another.
_CERTIFICATE_ERRORS = (
    "CERTIFICATE_VERIFY_FAILED",
    "Peer name",
    "Hostname Verification",
)

# What it says where a server of HTTP/1 answers.
_HTTP_1_ERRORS = ("http1.x server", "Failed parsing HTTP/2")
# Stands before what matters.
_PREAMBLE = "failed to connect to all addresses; last error: "


class GrpcBackend:
    """A model of a server, asked over gRPC.

    The one connection is shared by threads. Proxies that the environment
    names are not used.

    Args:
        address: Of the server.
        model_name: The model's name there.
        version: Its version; None for the one that the server chooses.
        timeout: Seconds until a request must be answered.
        certificates: PEM text of whom to trust with TLS; None for whom gRPC
            trusts by itself.
    """

    def __init__(
        self,
        address: ServerAddress,
        model_name: str,
        version: int | None,
        timeout: float,
        certificates: str | None = None,
    ):
        self.address = address
        self.model_name = model_name
        self.version = version
        self.timeout = timeout
        self.metadata: dict[str, Any] = {}
        # The time to connect, whatever its name: a request's own comes first.
        connect = ("grpc.min_reconnect_backoff_ms", int(2000 * timeout))
        options = [*_OPTIONS, connect]
        if address.secure or certificates is not None:
            roots = certificates.encode() if certificates else None
            self._channel = grpc.secure_channel(
                address.location,
                grpc.ssl_channel_credentials(roots),
                options=options,
            )
        else:
            self._channel = grpc.insecure_channel(
                address.location, options=options
            )
        self._signatures: dict[str, SignatureInfo] | None = None

    @property
    def signatures(self) -> dict[str, SignatureInfo]:
        """Of the server's model; asked for once."""
        if self._signatures is None:
            request = get_model_metadata_pb2.GetModelMetadataRequest(
                metadata_field=[_SIGNATURES]
            )
            self._fill(request.model_spec)
            answer = self._call(
                "GetModelMetadata",
                request,
                get_model_metadata_pb2.GetModelMetadataResponse,
            )
            found = get_model_metadata_pb2.SignatureDefMap()
            try:
                answer.metadata[_SIGNATURES].Unpack(found)
                names = json_format.MessageToDict(
                    found, preserving_proto_field_name=True
                )
                self._signatures = parse_signatures(names[_SIGNATURES])
            except _FOREIGN as error:
                raise self._foreign("no signatures") from error
        return self._signatures

    def __call__(
        self, signature: str, **inputs: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Asks one signature."""
        request = predict_pb2.PredictRequest()
        self._fill(request.model_spec)
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            dtype = tf.string if value.dtype == object else None
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value, dtype))
        expected = self.signatures[signature].outputs
        answer = self._call("Predict", request, predict_pb2.PredictResponse)
        num_rows = len(next(iter(inputs.values())))
        if answer.outputs.keys() != expected.keys():
            raise misfit(signature, "other outputs", self.address)
        try:
            return {
                name: _array(answer.outputs[name], info, num_rows)
                for name, info in expected.items()
            }
        except (TypeError, ValueError) as error:
            raise misfit(signature, str(error), self.address) from error

    def close(self) -> None:
        """Closes the connection; requests that wait for an answer fail."""
        self._channel.close()

    def _fill(self, model_spec: Any) -> None:
        model_spec.name = self.model_name
        if self.version is not None:
            model_spec.version.value = self.version

    def _call(
        self, method: str, request: message.Message, answer: type[_Message]
    ) -> _Message:
        """Returns what a method of the service answers.

        The answer is parsed here and not by gRPC, which would log a traceback
        where it cannot be.
        """
        try:
            call = self._channel.unary_unary(
                f"/{_SERVICE}/{method}",
                request_serializer=type(request).SerializeToString,
            )
            data = call(request, timeout=self.timeout)
        except grpc.RpcError as error:
            raise self._error(error.code(), error.details() or "") from error
        except ValueError as error:  # "Cannot invoke RPC on closed channel!"
            raise UserError(
                f"The client is closed. Received: {self.address}"
            ) from error
        try:
            return answer.FromString(data)
        except message.DecodeError as error:
            raise self._foreign("no answer that can be read") from error

    def _error(self, code: grpc.StatusCode, details: str) -> UserError:
        said = one_line(details)
        if code == grpc.StatusCode.UNAVAILABLE:
            return self._no_connection(details)
        if code == grpc.StatusCode.DEADLINE_EXCEEDED:
            return UserError(
                f"The server did not answer within {self.timeout:g} s: look at "
                "it, or raise the timeout, or lower the batch size. "
                f"Received: {self.address}"
            )
        if code == grpc.StatusCode.NOT_FOUND:
            version = "" if self.version is None else f" {self.version}"
            return UserError(
                "The server has no such model or version; it says: "
                f"{said}. Received: {self.model_name}{version} at "
                f"{self.address}"
            )
        if code == grpc.StatusCode.UNIMPLEMENTED:
            return self._foreign(said)
        return UserError(
            f"The server refused the request; it says: {said}. "
            f"Received: {self.address} ({code.name})"
        )

    def _no_connection(self, details: str) -> UserError:
        details = details.removeprefix(_PREAMBLE)
        if any(text in details for text in _HTTP_1_ERRORS):
            return UserError(
                "What answers there speaks HTTP/1: the address of a REST API "
                f"begins with http://. Received: {self.address}"
            )
        if any(text in details for text in _CERTIFICATE_ERRORS):
            return UserError(
                "The server's certificate is refused: check the host's name "
                f"and tls_ca. Received: {self.address} ({one_line(details)})"
            )
        if "WRONG_VERSION_NUMBER" in details:
            return UserError(
                "No TLS connection can be made: does the server use TLS? "
                f"Received: {self.address}"
            )
        return UnavailableError(
            "The server cannot be reached or is not available: start it, or "
            f"name another. Received: {self.address} ({one_line(details)})"
        )

    def _foreign(self, what: str) -> UserError:
        return UserError(
            "What answers there is not TF Serving's gRPC API: check host and "
            f"port. Received: {self.address} ({what})"
        )


def _array(proto: Any, info: TensorInfo, num_rows: int) -> np.ndarray:
    """Returns a tensor as an array.

    Its shape is looked at first: a small message may claim a large one.

    Raises:
        TypeError, ValueError: If it is not what `info` says.
    """
    dtype = tf.as_dtype(info.dtype)
    if proto.dtype != dtype.as_datatype_enum:
        raise ValueError(f"another dtype than {dtype.name}")
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if not has_shape(shape, info, num_rows):
        raise ValueError(f"the shape {list(shape)}")
    # TensorFlow would fill up what is missing.
    values = getattr(proto, _VALUES[proto.dtype])
    if not proto.tensor_content and len(values) != math.prod(shape):
        raise ValueError(f"{len(values)} values for {list(shape)}")
    return tf.make_ndarray(proto)
