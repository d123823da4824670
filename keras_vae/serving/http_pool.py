"""HTTP connections whose answers come in time, or not at all.

A socket's timeout is that of each single read: a server that sends a byte now
and then keeps its client waiting without end, in the headers or in the body.
"""

import http.client
import io
import socket
import time
from typing import Any

import urllib3

__all__ = ["make_pool"]


def make_pool(**options: Any) -> urllib3.PoolManager:
    """Returns a pool in which a request's `total` timeout covers its answer.

    Args:
        **options: Of `urllib3.PoolManager`.
    """
    pool = urllib3.PoolManager(**options)
    pool.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return pool


class _TimedReader(io.RawIOBase):
    """Reads from a socket until a time.

    Args:
        raw: Reads from the socket.
        connection: The socket.
        end: The time, of `time.monotonic`.
    """

    def __init__(
        self, raw: io.RawIOBase, connection: socket.socket, end: float
    ):
        self._raw, self._socket, self._end = raw, connection, end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        rest = self._end - time.monotonic()
        if rest <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(rest)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """Reads an answer within what is left of the request's time."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any):
        super().__init__(sock, *args, **kwargs)
        end = time.monotonic() + (sock.gettimeout() or 0.0)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_TimedReader(raw, sock, end))

    def begin(self) -> None:
        super().begin()
        # urllib3 would go on, and log a traceback.
        if self.msg.defects or self.msg.get_payload():
            raise http.client.HTTPException("malformed headers")


class _Connection(urllib3.connection.HTTPConnection):
    response_class = _Response


class _SecureConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
