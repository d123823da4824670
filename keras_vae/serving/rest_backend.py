"""Asks TF Serving's REST API.

References:
    https://www.tensorflow.org/tfx/serving/api_rest
"""

import base64
import http.client
import json
import ssl
import urllib.parse
from typing import Any

import numpy as np
import urllib3

from keras_vae.errors import UserError
from keras_vae.serving.address import ServerAddress
from keras_vae.serving.answers import MAX_BYTES, misfit, read_json
from keras_vae.serving.backend import (
    SignatureInfo,
    UnavailableError,
    one_line,
    parse_signatures,
)
from keras_vae.serving.http_pool import make_pool

__all__ = ["RestBackend"]

_CHUNK = 1 << 16
# What JSON of another form raises where signatures are looked for.
_FOREIGN = (
    AttributeError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)
_OK, _NOT_FOUND, _UNAVAILABLE, _TIMED_OUT = 200, 404, 503, 504


class RestBackend:
    """A model of a server, asked over HTTP in columns.

    Connections are kept and shared by threads. Proxies that the environment
    names are not used, and redirections not followed.

    Args:
        address: Of the server.
        model_name: The model's name there.
        version: Its version; None for the one that the server chooses.
        timeout: Seconds until a request must be answered, whole.
        connections: How many are kept open.
        certificates: PEM text of whom to trust with `https://`; None for whom
            the system trusts.
    """

    def __init__(
        self,
        address: ServerAddress,
        model_name: str,
        version: int | None,
        timeout: float,
        connections: int,
        certificates: str | None = None,
    ):
        self.address = address
        self.model_name = model_name
        self.version = version
        self.timeout = timeout
        self.metadata: dict[str, Any] = {}
        name = urllib.parse.quote(model_name, safe="")
        self._url = f"{address.location}/v1/models/{name}"
        if version is not None:
            self._url += f"/versions/{version}"
        options: dict[str, Any] = {}
        if address.secure:
            context = ssl.create_default_context(cadata=certificates)
            options["ssl_context"] = context
        self._pool = make_pool(maxsize=connections, retries=False, **options)
        self._signatures: dict[str, SignatureInfo] | None = None

    @property
    def signatures(self) -> dict[str, SignatureInfo]:
        """Of the server's model; asked for once."""
        if self._signatures is None:
            answer = self._request("GET", "/metadata")
            try:
                found = answer["metadata"]["signature_def"]["signature_def"]
                self._signatures = parse_signatures(found)
            except _FOREIGN as error:
                raise self._foreign("no signatures") from error
        return self._signatures

    def __call__(
        self, signature: str, **inputs: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Asks one signature."""
        expected = self.signatures[signature].outputs
        columns = {name: _to_json(value) for name, value in inputs.items()}
        body = json.dumps({"signature_name": signature, "inputs": columns})
        answer = self._request("POST", ":predict", body.encode())
        if not isinstance(answer, dict) or "outputs" not in answer:
            raise self._foreign("no outputs")
        num_rows = len(next(iter(inputs.values())))
        try:
            return read_json(answer["outputs"], expected, num_rows)
        except ValueError as error:
            raise misfit(signature, str(error), self._url) from error

    def close(self) -> None:
        """Closes the connections that are not in use."""
        self._pool.clear()

    def _request(self, method: str, path: str, body: bytes = b"") -> Any:
        """Returns what the server answers, parsed.

        Raises:
            UserError: If it does not answer, or answers an error.
        """
        try:
            status, data = self._exchange(method, path, body)
        except urllib3.exceptions.SSLError as error:
            raise _tls_error(self.address, error) from error
        except urllib3.exceptions.NewConnectionError as error:
            raise UnavailableError(
                "The server cannot be reached: start it, or name another. "
                f"Received: {self.address} ({_reason(error)})"
            ) from error
        except (urllib3.exceptions.TimeoutError, TimeoutError) as error:
            raise self._late() from error
        except urllib3.exceptions.ProtocolError as error:
            cause = error.args[-1]
            if isinstance(cause, http.client.IncompleteRead):
                raise UnavailableError(
                    "The server closed the connection within its answer. "
                    f"Received: {self.address}"
                ) from error
            if _is_no_http(cause):
                raise UserError(
                    "What answers there is no HTTP server: a gRPC address is "
                    "written host:port, without http://. "
                    f"Received: {self.address}"
                ) from error
            raise UnavailableError(
                "The server closed the connection without an answer: does it "
                f"use TLS, https://? Received: {self.address}"
            ) from error
        except urllib3.exceptions.HTTPError as error:
            raise UserError(
                f"The server cannot be asked ({one_line(str(error))}). "
                f"Received: {self.address}"
            ) from error
        return self._parse(status, data)

    def _exchange(
        self, method: str, path: str, body: bytes
    ) -> tuple[int, bytes]:
        response = self._pool.request(
            method,
            self._url + path,
            body=body or None,
            headers={"Content-Type": "application/json"},
            timeout=urllib3.Timeout(total=self.timeout),
            preload_content=False,
            redirect=False,
        )
        data = bytearray()
        try:
            # As it comes: nothing compressed was asked for, and little may
            # become much.
            if "Content-Encoding" in response.headers:
                raise self._foreign("a compressed answer")
            while chunk := response.read1(_CHUNK, decode_content=False):
                data += chunk
                if len(data) > MAX_BYTES:
                    raise self._foreign(f"more than {MAX_BYTES >> 20} MiB")
        except BaseException:
            response.close()
            raise
        response.release_conn()
        return response.status, bytes(data)

    def _parse(self, status: int, data: bytes) -> Any:
        try:
            answer = json.loads(data)
            text = answer.get("error") if status != _OK else None
        except (AttributeError, RecursionError, ValueError) as error:
            if status == _UNAVAILABLE:  # From a gateway before the server.
                raise self._unavailable("") from error
            raise self._foreign(f"HTTP status {status}") from error
        text = one_line(text if isinstance(text, str) else None)
        if status == _OK:
            return answer
        if status == _UNAVAILABLE:
            raise self._unavailable(text)
        if status == _TIMED_OUT:
            raise self._late()
        if status == _NOT_FOUND:
            raise UserError(
                "The server has no such model or version; it says: "
                f"{text}. Received: {self._url}"
            )
        raise UserError(
            f"The server refused the request; it says: {text}. "
            f"Received: {self._url} (HTTP status {status})"
        )

    def _unavailable(self, text: str) -> UnavailableError:
        said = f"; it says: {text}" if text else ""
        return UnavailableError(
            f"The server is not available now{said}. "
            f"Received: {self.address} (HTTP status {_UNAVAILABLE})"
        )

    def _late(self) -> UserError:
        return UserError(
            f"The server did not answer within {self.timeout:g} s: look at "
            "it, or raise the timeout, or lower the batch size. "
            f"Received: {self.address}"
        )

    def _foreign(self, what: str) -> UserError:
        return UserError(
            "What answers there is not TF Serving's REST API: check host, port "
            f"and path. Received: {self._url} ({what})"
        )


def _is_no_http(cause: object) -> bool:
    """Returns whether what came is no HTTP, as HTTP/2's frames are not."""
    return isinstance(cause, http.client.HTTPException) and not isinstance(
        cause, http.client.RemoteDisconnected
    )


def _reason(error: Exception) -> str:
    """Returns the reason alone, without the objects that urllib3 names."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return one_line(str(error))


def _tls_error(address: ServerAddress, error: Exception) -> UserError:
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        _, _, reason = text.partition("certificate verify failed: ")
        reason = one_line(reason.split(" (_ssl")[0].rstrip("')"))
        return UserError(
            "The server's certificate is refused: check the host's name and "
            f"tls_ca. Received: {address} ({reason})"
        )
    return UserError(
        "No TLS connection can be made: is it an http:// address? "
        f"Received: {address} ({one_line(text)})"
    )


def _to_json(array: np.ndarray) -> list[Any]:
    if array.dtype == object:
        return [{"b64": base64.b64encode(v).decode()} for v in array]
    return array.tolist()
