"""The gRPC interface: PredictionService and ModelService.

References:
    tensorflow_serving/model_servers/prediction_service_impl.cc,
    tensorflow_serving/model_servers/server.cc: sizes of messages
"""

import concurrent.futures
import time
from collections.abc import Callable
from typing import Any, NoReturn

import grpc
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.serving.protocol import tensors
from tests.serving.protocol.core import Core
from tests.serving.protocol.servable import DEFAULT_SIGNATURE
from tests.serving.protocol.status import Code, StatusError

__all__ = ["make_server"]

_CODES = {code.value[0]: code for code in grpc.StatusCode}
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
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(
        _ModelService(core), server
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
        return _answer(context, lambda: self._predict(request, context))

    def GetModelMetadata(  # noqa: N802
        self, request: Any, context: Any
    ) -> Any:
        return _answer(context, lambda: self._core.metadata(request))

    def _predict(self, request: Any, context: Any) -> Any:
        if not request.HasField("model_spec"):
            raise StatusError(Code.INVALID_ARGUMENT, "Missing ModelSpec")
        left = context.time_remaining()
        # gRPC gives calls without a deadline one of centuries.
        deadline = None
        if left is not None and left < 1e6:
            deadline = time.monotonic() + left
        inputs = {
            name: tensors.from_proto(name, proto)
            for name, proto in request.inputs.items()
        }
        spec = request.model_spec
        servable, outputs = self._core.predict(
            spec, inputs, list(request.output_filter), deadline
        )
        response = predict_pb2.PredictResponse()
        response.model_spec.name = servable.name
        response.model_spec.version.value = servable.version
        response.model_spec.signature_name = (
            spec.signature_name or DEFAULT_SIGNATURE
        )
        for name, array in outputs.items():
            response.outputs[name].CopyFrom(tensors.to_proto(array))
        return response


class _ModelService(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, core: Core):
        self._core = core

    def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        return _answer(context, lambda: self._core.status(request))


def _answer(context: Any, function: Callable[[], Any]) -> Any:
    try:
        return function()
    except StatusError as error:
        _abort(context, error)


def _abort(context: Any, error: StatusError) -> NoReturn:
    context.abort(_CODES[int(error.code)], error.message)
    raise AssertionError("abort() raises.")
