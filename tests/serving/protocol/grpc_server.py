"""The gRPC interface: PredictionService, as far as our client asks it.

References:
    tensorflow_serving/model_servers/prediction_service_impl.cc,
    tensorflow_serving/model_servers/server.cc: sizes of messages
"""

import concurrent.futures
from collections.abc import Callable
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.serving.protocol import messages
from tests.serving.protocol.messages import StatusError
from tests.serving.protocol.servable import DEFAULT_SIGNATURE
from tests.serving.protocol.versions import Core

__all__ = ["make_server"]

_METADATA = "signature_def"
# The server takes messages of any size; clients must raise their own limit.
_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Another process that has the port is an error, not a partner.
    ("grpc.so_reuseport", 0),
]


def make_server(
    core: Core,
    port: int,
    *,
    num_threads: int = 16,
    credentials: grpc.ServerCredentials | None = None,
) -> tuple[grpc.Server, int]:
    """Returns a started server on the loopback interface, and its port.

    Args:
        core: The models.
        port: 0 for any free one.
        num_threads: Requests that are worked on at a time.
        credentials: For TLS; None for none.
    """
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(num_threads), options=_OPTIONS
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _PredictionService(core), server
    )
    address = f"127.0.0.1:{port}"
    if credentials:
        bound = server.add_secure_port(address, credentials)
    else:
        bound = server.add_insecure_port(address)
    server.start()
    return server, bound


class _PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, core: Core):
        self._core = core

    # The names are those of the service.
    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        return _answer(context, lambda: self._predict(request))

    def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        return _answer(context, lambda: self._metadata(request))

    def _predict(self, request: Any) -> Any:
        inputs = {k: tf.make_ndarray(v) for k, v in request.inputs.items()}
        spec = request.model_spec
        response = predict_pb2.PredictResponse()
        with self._core.servable(spec) as servable:
            outputs = servable.predict(spec.signature_name, inputs)
            response.model_spec.name = servable.name
            response.model_spec.version.value = servable.version
        response.model_spec.signature_name = (
            spec.signature_name or DEFAULT_SIGNATURE
        )
        for name, array in outputs.items():
            response.outputs[name].CopyFrom(messages.to_proto(array))
        return response

    def _metadata(self, request: Any) -> Any:
        if list(request.metadata_field) != [_METADATA]:
            raise StatusError(
                grpc.StatusCode.INVALID_ARGUMENT,
                "GetModelMetadataRequest must specify at least one "
                "metadata_field, and one that is supported",
            )
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        with self._core.servable(request.model_spec) as servable:
            response.metadata[_METADATA].Pack(servable.signature_defs)
        return response


def _answer(context: Any, function: Callable[[], Any]) -> Any:
    try:
        return function()
    except StatusError as error:
        context.abort(error.code, error.message)
