"""Load on an export, through the protocol check.

    python -m benchmarks.serving_load --saved_model=saved_models/demo
    python -m benchmarks.serving_load --saved_model=saved_models/demo \\
        --soak=100000

The first asks one signature from 1, 8 and 64 clients at a time, over gRPC on
the loopback interface, with and without joining of requests, and the loaded
SavedModel in this process, without a server. The second sends requests of all
signatures in several batch sizes, one in ten over REST, counts the errors and
looks at the memory of the server's process.

The server is `tests/serving/protocol`, in Python, and so are the clients, on
the same cores: the figures say what the export and the protocol cost here, and
nothing of the speed of TF Serving.
"""

import argparse
import concurrent.futures
import itertools
import pathlib
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks import records
from benchmarks.serving_requests import (
    Client,
    Server,
    make_inputs,
    to_body,
    to_message,
)
from keras_vae.serving import ExportedModel, ServerOptions
from keras_vae.serving.server_files import server_files

__all__ = [
    "Load",
    "Soak",
    "in_process",
    "load",
    "load_row",
    "main",
    "soak",
    "soak_row",
]

_LOAD = (
    records.Column("clients", "clients"),
    records.Column("rate", "rate", "requests/s"),
    records.Column("p50", "p50", "ms"),
    records.Column("p99", "p99", "ms"),
    records.Column("joined", "requests a call"),
    records.Column("call", "a call", "ms"),
    records.Column("outside", "outside the model", "%"),
    records.Column("rows_rate", "rate", "rows/s"),
)
_SOAK = (
    records.Column("requests", "requests"),
    records.Column("errors", "errors"),
    records.Column("rate", "rate", "requests/s"),
    records.Column("before", "memory after a tenth", "MB"),
    records.Column("after", "memory at the end", "MB"),
)
_ROWS = (1, 2, 3, 5, 8, 16)
_WARM_UP = 0.1
# As the package writes it for TF Serving: padded to powers of two.
_BATCHING_FILE = "batching_parameters.txt"
_OPTIONS = ServerOptions(max_batch_size=64, max_enqueued_batches=1000)


class Load(NamedTuple):
    """What a number of clients saw.

    Attributes:
        name: Of the way to the model.
        clients: Clients at a time.
        seconds: Seconds of each request.
        wall_seconds: From the first request to the last answer.
        model_seconds: Seconds of the calls of the model.
        model_calls: Their number, fewer than requests where these are joined.
    """

    name: str
    clients: int
    seconds: list[float]
    wall_seconds: float
    model_seconds: float
    model_calls: int


class Soak(NamedTuple):
    """What many requests left behind.

    Attributes:
        requests: Requests that were sent.
        errors: Those that failed or were answered with other rows.
        first_error: The first of them; empty if there is none.
        memory_before: Resident bytes of the server after a tenth of them.
        memory_after: And after all.
        wall_seconds: Seconds of all.
    """

    requests: int
    errors: int
    first_error: str
    memory_before: int
    memory_after: int
    wall_seconds: float


def in_process(
    model: ExportedModel, signature: str, rows: int, requests: int
) -> Load:
    """Asks the loaded SavedModel, one request after the other."""
    inputs = make_inputs(model.metadata, signature, rows, seed=0)
    for _ in range(10):
        model(signature, **inputs)
    seconds = []
    start = time.perf_counter()
    for _ in range(requests):
        begin = time.perf_counter()
        model(signature, **inputs)
        seconds.append(time.perf_counter() - begin)
    wall = time.perf_counter() - start
    return Load("in this process", 1, seconds, wall, sum(seconds), len(seconds))


def load(
    server: Server,
    name: str,
    message: Any,
    clients: int,
    requests: int,
) -> Load:
    """Asks a server from several clients at a time.

    Args:
        server: The server.
        name: For the table.
        message: The request.
        clients: Clients at a time.
        requests: Requests of all of them.
    """
    seconds: list[float] = []

    def ask(client: Client, number: int) -> None:
        begin = time.perf_counter()
        client.ask(message)
        seconds.append(time.perf_counter() - begin)

    _each(server, clients, range(max(10, clients)), ask)
    seconds.clear()
    before = server.model_calls()
    start = time.perf_counter()
    _each(server, clients, range(requests), ask)
    wall = time.perf_counter() - start
    spent, calls = np.subtract(server.model_calls(), before)
    return Load(name, clients, seconds, wall, float(spent), int(calls))


def soak(
    server: Server, metadata: dict[str, Any], clients: int, requests: int
) -> Soak:
    """Sends requests of all signatures and of several sizes.

    Args:
        server: The server.
        metadata: The export's.
        clients: Clients at a time.
        requests: Requests of all of them.
    """
    kinds = []
    for signature, rows in itertools.product(metadata["signatures"], _ROWS):
        inputs = make_inputs(metadata, signature, rows, seed=rows)
        message = to_message(signature, inputs)
        kinds.append((message, to_body(signature, inputs), rows))
    errors: list[str] = []

    def ask(client: Client, number: int) -> None:
        # Sizes and signatures have no common period with the tenth.
        message, body, rows = kinds[number * 5 % len(kinds)]
        try:
            rest = number % 10 == 9
            found = client.ask_rest(body) if rest else client.ask(message)
            if found != {rows}:
                errors.append(f"{found} rows for {rows}")
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")

    first = int(requests * _WARM_UP)
    start = time.perf_counter()
    _each(server, clients, range(first), ask)
    before = server.memory()
    _each(server, clients, range(first, requests), ask)
    return Soak(
        requests,
        len(errors),
        next(iter(errors), ""),
        before,
        server.memory(),
        time.perf_counter() - start,
    )


def _each(
    server: Server,
    clients: int,
    numbers: Sequence[int],
    ask: Callable[[Client, int], None],
) -> None:
    """Has clients work the numbers off, each with the next that is left."""
    left = iter(numbers)
    lock = threading.Lock()

    def work() -> None:
        client = Client(server)
        try:
            while True:
                with lock:
                    number = next(left, None)
                if number is None:
                    return
                ask(client, number)
        finally:
            client.close()

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(work) for _ in range(clients)]:
            done.result()


def load_row(one: Load) -> dict[str, Any]:
    """Returns the row of a load.

    A request's time outside the model is what its client waited, less the
    mean time of a call of the model, whoever shares it. Where there are more
    clients than cores, most of it is waiting for a turn.
    """
    cuts = statistics.quantiles(one.seconds, n=100, method="inclusive")
    count = len(one.seconds)
    call = one.model_seconds / one.model_calls
    share = 1 - call / statistics.mean(one.seconds)
    return {
        "label": one.name,
        "clients": one.clients,
        "rate": records.rounded(count / one.wall_seconds, 0),
        "p50": records.rounded(1000 * cuts[49], 1),
        "p99": records.rounded(1000 * cuts[98], 1),
        "joined": records.rounded(count / one.model_calls, 1),
        "call": records.rounded(1000 * call, 2),
        "outside": records.rounded(100 * share, 0),
    }


def soak_row(result: Soak) -> dict[str, Any]:
    """Returns the row of a soak."""
    rate = result.requests / result.wall_seconds
    return {
        "label": "soak",
        "requests": result.requests,
        "errors": result.errors,
        "rate": records.rounded(rate, 0),
        "before": records.rounded(result.memory_before / 1e6, 0),
        "after": records.rounded(result.memory_after / 1e6, 0),
    }


def _limit(model: ExportedModel, signature: str) -> dict[str, Any]:
    """Measures what joining of requests can gain at best, as a row."""
    rows = _OPTIONS.max_batch_size
    together = in_process(model, signature, rows, 50)
    rate = rows * len(together.seconds) / together.wall_seconds
    return {
        "label": f"{rows} rows at once, in this process",
        "rows_rate": records.rounded(rate, 0),
    }


def _flags(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--saved_model",
        type=pathlib.Path,
        required=True,
        help="folder of the version folders",
    )
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--signature", default="reconstruct")
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument(
        "--soak", type=int, default=0, help="requests; 0 to measure load"
    )
    records.add_flag(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures load, or soaks, and prints a table.

    Args:
        arguments: Command-line arguments; those of the process if None.

    Returns:
        The exit status: 1 where requests failed or memory grew by 5 %.
    """
    flags = _flags(arguments)
    base = flags.saved_model.absolute()
    model = ExportedModel(base)
    if flags.soak:
        with Server(base) as server:
            result = soak(server, model.metadata, flags.clients[0], flags.soak)
        if result.first_error:
            print(f"The first error: {result.first_error[:500]}", flush=True)
        protocol = (
            f"{base.name}: all signatures, {min(_ROWS)} to {max(_ROWS)} rows, "
            f"{flags.clients[0]} clients"
        )
        record = records.here("serving_soak", protocol, [soak_row(result)])
        title = "Memory of a server under many requests"
        records.publish("serving_soak", title, "", _SOAK, record, flags.results)
        grown = result.memory_after > 1.05 * result.memory_before
        return int(grown or result.errors > 0)
    inputs = make_inputs(model.metadata, flags.signature, flags.rows, seed=0)
    message = to_message(flags.signature, inputs)
    loads = [in_process(model, flags.signature, flags.rows, flags.requests)]
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / _BATCHING_FILE
        file.write_text(server_files("vae", "", _OPTIONS)[_BATCHING_FILE])
        batching = ("--enable_batching", f"--batching_parameters_file={file}")
        ways = {
            "gRPC": ("--grpc_threads=64",),
            "gRPC, joined": ("--grpc_threads=64", *batching),
        }
        for name, more in ways.items():
            with Server(base, *more) as server:
                loads += [
                    load(server, name, message, clients, flags.requests)
                    for clients in flags.clients
                ]
    rows = [*map(load_row, loads), _limit(model, flags.signature)]
    protocol = (
        f"{base.name}: `{flags.signature}`, {flags.rows} rows in a request, "
        f"{flags.requests:,} requests a row"
    )
    record = records.here("serving_load", protocol, rows)
    title = "Requests of one signature"
    records.publish("serving_load", title, "", _LOAD, record, flags.results)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
