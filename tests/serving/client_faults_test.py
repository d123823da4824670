"""Tests of servers that fail: absent, slow, busy; against real sockets."""

import concurrent.futures
import http.server
import json
import socket
import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from keras_vae.errors import UserError
from keras_vae.serving import Client, parse_address
from keras_vae.serving.backend import UnavailableError
from keras_vae.serving.retries import Retries

_KINDS = ("grpc", "rest")
_SHAPES = {"z": [-1, 2], "image": [-1, 2, 2, 1]}
_SIGNATURES = {
    "decode": ({"z": _SHAPES["z"]}, {"image": _SHAPES["image"]}),
    "reconstruct": (
        {"image": _SHAPES["image"]},
        {"reconstruction": _SHAPES["image"]},
    ),
}
_CODES = {
    200: grpc.StatusCode.OK,
    400: grpc.StatusCode.INVALID_ARGUMENT,
    503: grpc.StatusCode.UNAVAILABLE,
}


class _Plan:
    """What a fake server does with each `decode` request.

    Attributes:
        statuses: Of the requests in turn; the last one goes on.
        delay: Seconds that each takes.
        times: When each came.
    """

    def __init__(self, *statuses, delay=0.0):
        self.statuses = list(statuses)
        self.delay = delay
        self.times = []

    def next(self):
        self.times.append(time.monotonic())
        time.sleep(self.delay)
        last = len(self.statuses) == 1
        return self.statuses[0] if last else self.statuses.pop(0)


class _Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, plan):
        self.plan = plan

    def GetModelMetadata(self, request, context):  # noqa: N802
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, sides in _SIGNATURES.items():
            signature = signatures.signature_def[name]
            for infos, side in zip(
                (signature.inputs, signature.outputs), sides
            ):
                for key, sizes in side.items():
                    infos[key].dtype = tf.float32.as_datatype_enum
                    for size in sizes:
                        infos[key].tensor_shape.dim.add(size=size)
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.metadata["signature_def"].Pack(signatures)
        return answer

    def Predict(self, request, context):  # noqa: N802
        status = self.plan.next()
        if status != 200:
            context.abort(_CODES[status], "in its own words")
        rows = len(tf.make_ndarray(request.inputs["z"]))
        answer = predict_pb2.PredictResponse()
        images = np.zeros([rows, 2, 2, 1], np.float32)
        answer.outputs["image"].CopyFrom(tf.make_tensor_proto(images))
        return answer


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        def info(sizes):
            dims = [{"size": str(size), "name": ""} for size in sizes]
            shape = {"dim": dims, "unknown_rank": False}
            return {"dtype": "DT_FLOAT", "tensor_shape": shape, "name": "x:0"}

        found = {
            name: {
                key: {tensor: info(sizes) for tensor, sizes in side.items()}
                for key, side in zip(("inputs", "outputs"), sides)
            }
            for name, sides in _SIGNATURES.items()
        }
        self._send(
            200, {"metadata": {"signature_def": {"signature_def": found}}}
        )

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.plan.next()
        if status != 200:
            self._send(status, {"error": "in its own words"})
            return
        rows = len(body["inputs"]["z"])
        self._send(200, {"outputs": np.zeros([rows, 2, 2, 1]).tolist()})

    def _send(self, status, answer):
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


class _RestServer(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass  # Clients that gave up are meant.


@pytest.fixture
def serve(request):
    """Starts a fake server: (kind, plan) -> address."""

    def start(kind, plan):
        if kind == "grpc":
            server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
            prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
                _Servicer(plan), server
            )
            port = server.add_insecure_port("127.0.0.1:0")
            server.start()
            request.addfinalizer(lambda: server.stop(None).wait())
            return f"127.0.0.1:{port}"
        server = _RestServer(("127.0.0.1", 0), _Handler)
        server.plan = plan
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def stop():
            server.shutdown()
            server.server_close()
            thread.join()

        request.addfinalizer(stop)
        return f"http://127.0.0.1:{server.server_port}"

    return start


@pytest.fixture
def silent():
    """Accepts connections and says nothing: (address of gRPC, of REST)."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        yield {"grpc": f"127.0.0.1:{port}", "rest": f"http://127.0.0.1:{port}"}


_Z = np.zeros([3, 2], np.float32)


@pytest.mark.parametrize("kind", _KINDS)
def test_busy_server_is_asked_again_after_longer_and_longer(kind, serve):
    plan = _Plan(503, 503, 200)
    with Client(serve(kind, plan), retry_seed=0) as client:
        assert client.decode(_Z).shape == (3, 2, 2, 1)
    first, second = np.diff(plan.times)
    assert first >= 0.05
    assert second >= 0.1
    assert len(plan.times) == 3


@pytest.mark.parametrize("kind", _KINDS)
def test_number_of_tries_is_bounded(kind, serve):
    plan = _Plan(503)
    with (
        Client(serve(kind, plan), retries=2) as client,
        pytest.raises(UserError, match=r"available.*\(3 tries\)"),
    ):
        client.decode(_Z)
    assert len(plan.times) == 3


@pytest.mark.parametrize("kind", _KINDS)
def test_refused_request_is_not_repeated(kind, serve):
    plan = _Plan(400)
    with (
        Client(serve(kind, plan)) as client,
        pytest.raises(UserError, match="refused.*in its own words"),
    ):
        client.decode(_Z)
    assert len(plan.times) == 1


@pytest.mark.parametrize("kind", _KINDS)
def test_deadline_holds_and_is_not_tried_again(kind, serve):
    plan = _Plan(200, delay=1.5)
    with Client(serve(kind, plan), timeout=0.4) as client:
        assert client.latent_dim == 2
        start = time.monotonic()
        with pytest.raises(UserError, match=r"not answer within 0\.4 s"):
            client.decode(_Z)
        assert 0.3 < time.monotonic() - start < 1.4
    assert len(plan.times) == 1


@pytest.mark.parametrize("kind", _KINDS)
def test_server_that_says_nothing(kind, silent):
    start = time.monotonic()
    with (
        Client(silent[kind], timeout=0.4) as client,
        pytest.raises(UserError, match=r"not answer within 0\.4 s"),
    ):
        client.decode(_Z)
    assert time.monotonic() - start < 5


def test_server_that_answers_a_byte_now_and_then():
    def trickle(server, stopped):
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
            while not stopped.wait(0.1):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=trickle, args=(server, stopped))
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        start = time.monotonic()
        with (
            Client(address, timeout=0.5) as client,
            pytest.raises(UserError, match=r"not answer within 0\.5 s"),
        ):
            client.decode(_Z)
        assert time.monotonic() - start < 5
        stopped.set()
        thread.join()


@pytest.mark.parametrize("kind", _KINDS)
def test_absent_server(kind):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    scheme = "http://" if kind == "rest" else ""
    message = r"cannot be reached.*refused.*\(2 tries\)"
    with (
        Client(f"{scheme}127.0.0.1:{port}", retries=1) as client,
        pytest.raises(UserError, match=message),
    ):
        client.decode(_Z)


@pytest.mark.parametrize("kind", _KINDS)
def test_order_is_kept_though_several_are_in_flight(kind, serve):
    plan = _Plan(200, delay=0.2)
    with Client(serve(kind, plan), batch_size=1, max_in_flight=3) as client:
        start = time.monotonic()
        assert len(client.decode(np.zeros([6, 2]))) == 6
        # One after the other would take 1.2 s.
        assert time.monotonic() - start < 1.1
    assert len(plan.times) == 6


def test_closed_client_says_so(serve):
    client = Client(serve("grpc", _Plan(200)))
    client.decode(_Z)
    client.close()
    with pytest.raises(UserError, match="client is closed"):
        client.decode(_Z)


@pytest.mark.parametrize("kind", _KINDS)
def test_closing_ends_a_request_that_waits_to_be_tried_again(kind, serve):
    plan = _Plan(503)
    # More than three seconds of waiting, if it were not for closing.
    client = Client(serve(kind, plan), retries=6)
    said = []

    def ask():
        try:
            client.decode(_Z)
        except UserError as error:
            said.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    while len(plan.times) < 2:
        time.sleep(0.01)
    start = time.monotonic()
    client.close()
    thread.join(10)
    assert time.monotonic() - start < 2
    assert len(said) == 1


def test_waiting_times_follow_the_seed_of_the_client():
    address = "http://127.0.0.1:1"
    for seed in (3, 4):
        with Client(address, retry_seed=seed) as client:
            found = client._retries.delay(0)
        assert found == Retries(4, seed=seed).delay(0)


def test_other_web_server_is_recognised():
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>Welcome</html>")

        def log_message(self, *arguments):
            pass

    with _RestServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        with (
            Client(address) as client,
            pytest.raises(UserError, match="not TF Serving's REST API"),
        ):
            client.decode(_Z)
        server.shutdown()
        thread.join()


def test_delays_double_up_to_a_bound_and_follow_the_seed():
    for tried in range(10):
        delay = Retries(9, seed=1).delay(tried)
        longest = min(0.1 * 2**tried, 5.0)
        assert longest / 2 <= delay <= longest
    assert Retries(1, seed=1).delay(0) == Retries(1, seed=1).delay(0)
    assert Retries(1, seed=1).delay(0) != Retries(1, seed=2).delay(0)


def test_only_what_is_unavailable_is_tried_again():
    calls = []

    def fail():
        calls.append(1)
        raise UserError("wrong")

    with pytest.raises(UserError, match="^wrong$"):
        Retries(3)(fail)
    assert len(calls) == 1


def test_closing_ends_the_waiting():
    retries = Retries(50)
    retries.close()

    def fail():
        raise UnavailableError("away")

    start = time.monotonic()
    with pytest.raises(UnavailableError):
        retries(fail)
    assert time.monotonic() - start < 1


@pytest.mark.parametrize(
    ("text", "is_rest", "secure", "location"),
    [
        ("localhost:8500", False, False, "localhost:8500"),
        ("grpc://[::1]:8500", False, False, "[::1]:8500"),
        ("grpcs://host:1", False, True, "host:1"),
        ("http://host:8501/", True, False, "http://host:8501"),
        ("https://host", True, True, "https://host:443"),
        ("http://host/ml api/", True, False, "http://host:80/ml%20api"),
    ],
)
def test_addresses(text, is_rest, secure, location):
    found = parse_address(text)
    assert (found.is_rest, found.secure) == (is_rest, secure)
    assert found.location == location


@pytest.mark.parametrize(
    "text",
    [
        *("", "host", "host:", "host:99999", "host:0", "ftp://host:1"),
        *("a b:1", "grpc://host", "grpc://host:1/path", "http://"),
        "http://user@host:1",
    ],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(UserError, match="host:8500.*Received: --server="):
        parse_address(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 0}, "timeout must be above 0"),
        ({"timeout": float("nan")}, "timeout.*nan"),
        ({"retries": -1}, "retries must be 0 "),
        ({"batch_size": 0}, "batch_size must be 1 "),
        ({"max_in_flight": 0}, "max_in_flight must be"),
        ({"version": 0}, "version must be"),
        ({"timeout": "30"}, "timeout must be a number.*'30'"),
        ({"timeout": float("inf")}, "timeout must be above 0.*inf"),
        ({"retries": 1.5}, "retries must be.*whole number.*1.5"),
        ({"batch_size": 2.5}, "batch_size must be.*whole number.*2.5"),
        ({"batch_size": "8"}, "batch_size must be.*'8'"),
        ({"max_in_flight": True}, "max_in_flight must be.*True"),
        ({"version": 1.0}, "version must be.*1.0"),
        ({"tls_ca": "no.pem"}, "tls_ca must be a PEM file.*no.pem"),
    ],
)
def test_wrong_settings_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        Client("http://127.0.0.1:1", **options)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
