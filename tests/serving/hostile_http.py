"""A server that answers an HTTP request with any bytes at all."""

import contextlib
import json
import socket
import threading

from tests.serving.hostile import GOOD

__all__ = ["drip", "endless", "http", "metadata", "rest", "say_nothing"]


def http(body, status="200 OK", headers=""):
    """Returns an answer: bytes, or what is written as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers += f"Content-Length: {len(data)}\r\nConnection: close\r\n"
    head = f"HTTP/1.1 {status}\r\n{headers}\r\n"
    return head.encode("latin-1") + data


def metadata(signatures):
    """Returns the answer that names the signatures of a model."""
    wrapped = {"signature_def": {"signature_def": signatures}}
    return http({"model_spec": {"name": "model"}, "metadata": wrapped})


class _HttpServer:
    """Answers with bytes, or calls with the connection, and hangs up."""

    def __init__(self, answers):
        self._answers = answers
        self._stopped = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *error):
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self):
        while not self._stopped.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                request = self._read(connection)
                answer = self._answers[request.split(b" ", 1)[0]]
                if callable(answer):
                    answer(connection, self._stopped)
                else:
                    connection.sendall(answer)
                    connection.shutdown(socket.SHUT_WR)

    def _read(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive(connection)
        head, _, body = data.partition(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                while len(body) < int(line.split(b":")[1]):
                    body += self._receive(connection)
        return head

    def _receive(self, connection):
        data = connection.recv(1 << 16)
        if not data:
            raise ConnectionError("the client has gone")
        return data


def drip(start, piece=b" "):
    """Sends a piece now and then, without end."""

    def send(connection, stopped):
        connection.sendall(start)
        while not stopped.wait(0.05):
            connection.sendall(piece)

    return send


def endless(start, piece):
    """Sends as fast as it can, without end."""

    def send(connection, stopped):
        connection.sendall(start)
        while not stopped.is_set():
            connection.sendall(piece)

    return send


def say_nothing(connection, stopped):
    """Keeps the connection open."""
    stopped.wait(10)


@contextlib.contextmanager
def rest(post, get=None):
    """Yields the address of a server; `get` answers for the metadata."""
    answers = {b"POST": post, b"GET": get or metadata(GOOD)}
    with _HttpServer(answers) as address:
        yield address
