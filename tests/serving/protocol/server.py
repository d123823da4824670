"""The protocol check as one server, in this process or from a shell.

The flags are those of the model server that are of use here.
"""

import argparse
import contextlib
import os
import pathlib
import signal
import ssl
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import grpc

from tests.serving.protocol import config_files, grpc_server
from tests.serving.protocol.batching import BatchingParameters
from tests.serving.protocol.rest_server import RestServer
from tests.serving.protocol.versions import Core, ModelConfig

__all__ = ["Server", "Tls", "main", "running_server"]


class Tls(NamedTuple):
    """A server's key and certificate, for our client to check.

    Attributes:
        key: PEM file.
        certificate: PEM file, the chain.
    """

    key: str | os.PathLike[str]
    certificate: str | os.PathLike[str]


class Server:
    """Both interfaces on the loopback interface.

    Args:
        configs: The models.
        batching: How requests are joined; None where they are not.
        poll_seconds: Time between two looks at their folders.
        port: Of gRPC; 0 for any free one.
        rest_api_port: Of REST; 0 for any free one.
        num_threads: Requests that gRPC works on at a time.
        tls: For TLS on both; None for none.

    Attributes:
        core: The models.
        grpc_address: As `127.0.0.1:8500`.
        rest_address: As `http://127.0.0.1:8501`.
        model_name: Name of the first model.
    """

    def __init__(
        self,
        configs: Sequence[ModelConfig],
        *,
        batching: BatchingParameters | None = None,
        poll_seconds: float = 0.1,
        port: int = 0,
        rest_api_port: int = 0,
        num_threads: int = 16,
        tls: Tls | None = None,
    ):
        credentials, context = _credentials(tls)
        self.core = Core(configs, batching, poll_seconds)
        self.model_name = configs[0].name
        self._grpc, bound = grpc_server.make_server(
            self.core, port, num_threads=num_threads, credentials=credentials
        )
        self._rest = RestServer(self.core, rest_api_port, context)
        scheme = "https" if tls else "http"
        self.grpc_address = f"127.0.0.1:{bound}"
        self.rest_address = f"{scheme}://127.0.0.1:{self._rest.port}"

    def close(self) -> None:
        """Ends the requests, then unloads the models."""
        self._grpc.stop(grace=1.0).wait()
        self._rest.close()
        self.core.close()


@contextlib.contextmanager
def running_server(
    model_base_path: str | os.PathLike[str],
    *,
    model_name: str = "vae",
    **options: Any,
) -> Iterator[Server]:
    """Runs a server in this process, with one model.

    Args:
        model_base_path: Folder of the version folders.
        model_name: Name that requests ask for.
        **options: As for `Server`.

    Yields:
        The `Server`. A version that the folder already has is loaded.
    """
    config = ModelConfig(model_name, pathlib.Path(model_base_path))
    server = Server([config], **options)
    try:
        yield server
    finally:
        server.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until it is told to stop.

    Args:
        arguments: Command-line arguments; those of the process if None.

    Returns:
        The exit status.
    """
    server = _from_flags(_parser().parse_args(arguments))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    print(f"listening: {server.grpc_address} {server.rest_address}", flush=True)
    stop.wait()
    server.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--port", type=int, default=8500, help="gRPC; 0 for any")
    add("--rest_api_port", type=int, default=8501, help="REST; 0 for any")
    add("--model_name", default="default")
    models = parser.add_mutually_exclusive_group(required=True)
    models.add_argument("--model_base_path", type=pathlib.Path)
    models.add_argument("--model_config_file", type=pathlib.Path)
    add("--enable_batching", action="store_true")
    add("--batching_parameters_file", type=pathlib.Path)
    add("--grpc_threads", type=int, default=16)
    return parser


def _from_flags(flags: argparse.Namespace) -> Server:
    configs = [ModelConfig(flags.model_name, flags.model_base_path)]
    if flags.model_config_file:
        configs = config_files.read_models(flags.model_config_file)
    batching = BatchingParameters() if flags.enable_batching else None
    if batching and flags.batching_parameters_file:
        batching = config_files.read_batching(flags.batching_parameters_file)
    return Server(
        configs,
        batching=batching,
        port=flags.port,
        rest_api_port=flags.rest_api_port,
        num_threads=flags.grpc_threads,
    )


def _credentials(
    tls: Tls | None,
) -> tuple[grpc.ServerCredentials | None, ssl.SSLContext | None]:
    if tls is None:
        return None, None
    pair = (
        pathlib.Path(tls.key).read_bytes(),
        pathlib.Path(tls.certificate).read_bytes(),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    return grpc.ssl_server_credentials([pair]), context


if __name__ == "__main__":
    raise SystemExit(main())
