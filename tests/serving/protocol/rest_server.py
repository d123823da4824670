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
import time
import urllib.parse
from typing import Any

from google.protobuf import json_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
)

from tests.serving.protocol import json_tensors
from tests.serving.protocol.core import Core
from tests.serving.protocol.servable import DEFAULT_SIGNATURE
from tests.serving.protocol.status import Code, StatusError

__all__ = ["RestServer"]

_MODEL = r"/v1/models/(?P<name>[^/:]+)"
_CHOICE = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_PREDICT = re.compile(f"(?i){_MODEL}{_CHOICE}:predict")
_STATUS = re.compile(f"(?i){_MODEL}{_CHOICE}(?P<metadata>/metadata)?")
_MAX_BODY = 2**28


class RestServer:
    """Answers on the loopback interface until it is closed.

    Args:
        core: The models.
        port: 0 for any free one.
        timeout_seconds: Time that a request may run.
        metrics_path: Path of the Prometheus page; None for no page.
        tls: For HTTPS, as behind a proxy: the model server itself has none.

    Attributes:
        port: The port.
    """

    def __init__(
        self,
        core: Core,
        port: int,
        *,
        timeout_seconds: float = 30.0,
        metrics_path: str | None = None,
        tls: ssl.SSLContext | None = None,
    ):
        class Handler(_Handler):
            pass

        Handler.core, Handler.timeout_seconds = core, timeout_seconds
        Handler.metrics_path = metrics_path
        self._server = _HttpServer(("127.0.0.1", port), Handler)
        if tls:
            # The handshake is left to the request's own thread.
            self._server.socket = tls.wrap_socket(
                self._server.socket,
                server_side=True,
                do_handshake_on_connect=False,
            )
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="rest",
            daemon=True,
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

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Two small packets an answer would wait for each other otherwise.
    disable_nagle_algorithm = True
    core: Core
    timeout_seconds: float
    metrics_path: str | None

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_POST  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def _handle(self) -> None:
        path = urllib.parse.urlsplit(self.path).path
        try:
            body = self._read_body()
            if self.metrics_path and path == self.metrics_path:
                page = self.core.metrics.page().encode()
                self._send(200, page, "text/plain")
                return
            if not path.lower().startswith("/v1/"):
                self._send(404, b"", "text/html")
                return
            answer = self._answer(path, body)
        except StatusError as error:
            content = json.dumps({"error": error.message}).encode()
            self._send(error.code.http, content)
        else:
            self._send(200, answer)

    def _read_body(self) -> bytes:
        text = self.headers.get("Content-Length", "0")
        size = int(text) if text.isdecimal() else -1
        if not 0 <= size <= _MAX_BODY:
            # What follows on this connection cannot be made out.
            self.close_connection = True
            raise StatusError(
                Code.INVALID_ARGUMENT, f"Bad Content-Length: {text}"
            )
        return self.rfile.read(size)

    def _answer(self, path: str, body: bytes) -> bytes:
        if self.command == "POST" and (match := _PREDICT.fullmatch(path)):
            return self._predict(_model_spec(match), body)
        if self.command == "GET" and (match := _STATUS.fullmatch(path)):
            spec = _model_spec(match)
            if match["metadata"]:
                return self._metadata(spec)
            request = get_model_status_pb2.GetModelStatusRequest(
                model_spec=spec
            )
            return _to_json(self.core.status(request))
        raise StatusError(
            Code.INVALID_ARGUMENT, f"Malformed request: {self.command} {path}"
        )

    def _metadata(self, spec: model_pb2.ModelSpec) -> bytes:
        response = self.core.metadata(
            get_model_metadata_pb2.GetModelMetadataRequest(
                model_spec=spec, metadata_field=["signature_def"]
            )
        )
        defs = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(defs)
        content = {
            "model_spec": json.loads(_to_json(response.model_spec)),
            "metadata": {"signature_def": json.loads(_to_json(defs))},
        }
        return json.dumps(content).encode()

    def _predict(self, spec: model_pb2.ModelSpec, body: bytes) -> bytes:
        deadline = time.monotonic() + self.timeout_seconds
        document = json_tensors.parse_object(body)
        name = document.get("signature_name") or DEFAULT_SIGNATURE
        spec.signature_name = name
        with self.core.servable(spec) as servable:
            if name not in servable.signature_defs:
                raise StatusError(
                    Code.INVALID_ARGUMENT,
                    f'Serving signature name: "{name}" not found in signature '
                    "def",
                )
            infos = servable.signature_defs[name].inputs
        request = json_tensors.parse_request(document, infos)
        _, outputs = self.core.predict(spec, request.inputs, [], deadline)
        return json_tensors.format_answer(outputs, request.rows)

    def _send(
        self, code: int, body: bytes, kind: str = "application/json"
    ) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _model_spec(match: re.Match[str]) -> model_pb2.ModelSpec:
    spec = model_pb2.ModelSpec(name=urllib.parse.unquote(match["name"]))
    if match["version"]:
        version = int(match["version"])
        if version >= 2**63:
            raise StatusError(
                Code.INVALID_ARGUMENT,
                f"Failed to convert version: {version} to numeric.",
            )
        spec.version.value = version
    if match["label"]:
        spec.version_label = urllib.parse.unquote(match["label"])
    return spec


def _to_json(message: Any) -> bytes:
    return json_format.MessageToJson(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    ).encode()
