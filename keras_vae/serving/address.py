"""Where a server is: `host:port` and `grpc[s]://` or `http[s]://`."""

import dataclasses
import os
import pathlib
import re
import ssl
import urllib.parse

from keras_vae.errors import UserError

__all__ = ["ServerAddress", "is_address", "parse_address", "read_certificates"]

_SCHEMES = ("http", "https", "grpc", "grpcs")
# A name, an IPv4 address, or an IPv6 address in brackets; then the port.
_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s/:\[\]@]+):([0-9]{1,5})")
_MAX_PORT = 65535


@dataclasses.dataclass(frozen=True)
class ServerAddress:
    """The address of a server.

    Attributes:
        text: As the user wrote it.
        is_rest: Whether it is TF Serving's REST API; else gRPC.
        secure: Whether TLS is used.
        location: A URL without a slash at its end for REST, else `host:port`.
    """

    text: str
    is_rest: bool
    secure: bool
    location: str

    def __str__(self) -> str:
        return self.text


def is_address(text: str) -> bool:
    """Returns whether it is written as an address, and not as a path."""
    scheme, separator, _ = text.partition("://")
    return bool(separator and scheme in _SCHEMES) or bool(
        _HOST_AND_PORT.fullmatch(text)
    )


def parse_address(text: str) -> ServerAddress:
    """Returns an address from what the user wrote.

    Args:
        text: `host:port` or `grpc://host:port` (gRPC), `grpcs://host:port`
            (gRPC with TLS), `http://host:port` or `https://host:port` (REST);
            a REST address may go on with a path, that of a gateway.

    Raises:
        UserError: If it is something else.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "grpc", text
    host_and_port, slash, path = rest.partition("/")
    is_rest = scheme in ("http", "https")
    port = re.search(r":[0-9]+$", host_and_port)
    if is_rest and port is None:
        default = 443 if scheme == "https" else 80
        host_and_port += f":{default}"
    match = _HOST_AND_PORT.fullmatch(host_and_port)
    if (
        scheme not in _SCHEMES
        or match is None
        or not 0 < int(match[2]) <= _MAX_PORT
        or (slash and not is_rest)
    ):
        raise UserError(
            "A server is host:8500 (gRPC) or http://host:8501 (REST); "
            f"grpcs:// and https:// use TLS. Received: --server={text}"
        )
    location = host_and_port
    if is_rest:
        path = urllib.parse.quote(path.strip("/"), safe="/%")
        location = f"{scheme}://{host_and_port}/{path}".rstrip("/")
    return ServerAddress(text, is_rest, scheme in ("https", "grpcs"), location)


def read_certificates(path: str | os.PathLike[str]) -> str:
    """Returns the certificates of a PEM file, which must hold one.

    Raises:
        UserError: If it does not.
    """
    try:
        text = pathlib.Path(path).read_text("ascii")
        ssl.create_default_context(cadata=text)
    except (
        OSError,
        TypeError,
        ValueError,
    ) as error:  # An SSLError is an OSError.
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise UserError(
            "tls_ca must be a PEM file with the certificate that signed the "
            f"server's. Received: --tls_ca={path} ({reason})"
        ) from error
    return text
