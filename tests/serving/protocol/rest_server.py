"""The REST interface.

References:
    tensorflow_serving/model_servers/http_rest_api_handler.cc,
    http_rest_api_util.cc and http_server.cc
"""

import http.server
import json
import re
import ssl
import threading
import urllib.parse
from typing import Any

from google.protobuf import json_format
from grpc import StatusCode
from tensorflow_serving.apis import get_model_status_pb2, model_pb2

from tests.serving.protocol import json_tensors
from tests.serving.protocol.messages import StatusError
from tests.serving.protocol.servable import DEFAULT_SIGNATURE
from tests.serving.protocol.versions import Core

__all__ = ["RestServer"]

_MODEL = r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+))?"
_PREDICT = re.compile(f"{_MODEL}:predict")
# What TF Serving tells of its calls of a model is on a Prometheus page; our
# benchmark needs their number and time alone, and asks for `/calls`.
_ABOUT = re.compile(f"{_MODEL}(?P<what>|/metadata|/calls)")


class RestServer:
    """Answers on the loopback interface until it is closed.

    Args:
        core: The models.
        port: 0 for any free one.
        tls: For HTTPS, as behind a proxy: the model server itself has none.

    Attributes:
        port: The port.
    """

    def __init__(self, core: Core, port: int, tls: ssl.SSLContext | None):
        self._server = _HttpServer(("127.0.0.1", port), _Handler)
        self._server.core = core
        if tls:
            # The handshake is left to the request's own thread.
            self._server.socket = tls.wrap_socket(
                self._server.socket,
                server_side=True,
                do_handshake_on_connect=False,
            )
        self.port = self._server.server_address[1]
        # It looks this often, in seconds, whether it shall stop.
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=[0.05], daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    core: Core

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Two small packets an answer would wait for each other otherwise.
    disable_nagle_algorithm = True
    server: _HttpServer

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        path = urllib.parse.urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            self._send(200, self._answer(path, body))
        except StatusError as error:
            content = json.dumps({"error": error.message}).encode()
            self._send(error.http, content)
        except (OverflowError, ValueError) as error:
            # From JSON that cannot be read as the signature's inputs.
            self._send(400, json.dumps({"error": str(error)}).encode())

    do_POST = do_GET  # noqa: N815

    def _answer(self, path: str, body: bytes) -> bytes:
        if self.command == "POST" and (match := _PREDICT.fullmatch(path)):
            return self._predict(_model_spec(match), body)
        if self.command == "GET" and (match := _ABOUT.fullmatch(path)):
            spec = _model_spec(match)
            if match["what"] == "/metadata":
                return self._metadata(spec)
            if match["what"] == "/calls":
                return self._calls(spec)
            return self._status(spec)
        raise StatusError(
            StatusCode.INVALID_ARGUMENT,
            f"Malformed request: {self.command} {path}",
        )

    def _predict(self, spec: model_pb2.ModelSpec, body: bytes) -> bytes:
        document = json.loads(body)
        name = document.get("signature_name") or DEFAULT_SIGNATURE
        with self.server.core.servable(spec) as servable:
            defs = servable.signature_defs.signature_def
            if name not in defs:
                raise StatusError(
                    StatusCode.INVALID_ARGUMENT,
                    f'Serving signature name: "{name}" not found in signature '
                    "def",
                )
            inputs = json_tensors.parse_inputs(document, defs[name].inputs)
            outputs = servable.predict(name, inputs)
        return json_tensors.format_answer(outputs, "instances" in document)

    def _status(self, spec: model_pb2.ModelSpec) -> bytes:
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, state in self.server.core.states(spec).items():
            added = response.model_version_status.add(
                version=version, state=state.state
            )
            # Empty where all is well, and there all the same.
            added.status.SetInParent()
            if state.error:
                added.status.error_code = state.error.code.value[0]
                added.status.error_message = state.error.message
        return _to_json(response)

    def _metadata(self, spec: model_pb2.ModelSpec) -> bytes:
        with self.server.core.servable(spec) as servable:
            defs = json.loads(_to_json(servable.signature_defs))
        return json.dumps({"metadata": {"signature_def": defs}}).encode()

    def _calls(self, spec: model_pb2.ModelSpec) -> bytes:
        with self.server.core.servable(spec) as servable:
            content = {"calls": servable.calls, "seconds": servable.seconds}
        return json.dumps(content).encode()

    def _send(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _model_spec(match: re.Match[str]) -> model_pb2.ModelSpec:
    spec = model_pb2.ModelSpec(name=urllib.parse.unquote(match["name"]))
    if match["version"]:
        spec.version.value = int(match["version"])
    return spec


def _to_json(message: Any) -> bytes:
    return json_format.MessageToJson(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    ).encode()
