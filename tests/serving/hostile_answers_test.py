"""Tests of the client against servers that answer anything at all.

Each answer must end in a UserError of one line, within the deadline: no other
exception, no answer that is wrong, no waiting.
"""

import base64
import concurrent.futures
import contextlib
import copy
import gzip
import json
import socket
import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import any_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

from keras_vae.errors import UserError
from keras_vae.serving import Client

_TIMEOUT = 0.5
_Z = np.zeros([2, 2], np.float32)
_IMAGE = np.zeros([2, 2, 3, 1]).tolist()
_SERVICE = "/tensorflow.serving.PredictionService/"


def _info(dtype, *sizes):
    dims = [{"size": str(size), "name": ""} for size in sizes]
    shape = {"dim": dims, "unknown_rank": False}
    return {"dtype": dtype, "tensor_shape": shape, "name": "x:0"}


_PIXELS = _info("DT_FLOAT", -1, 2, 3, 1)
_GOOD = {
    "reconstruct": {
        "inputs": {"image": _PIXELS},
        "outputs": {"reconstruction": _PIXELS},
    },
    "decode": {
        "inputs": {"z": _info("DT_FLOAT", -1, 2)},
        "outputs": {"image": _PIXELS},
    },
    "encode": {
        "inputs": {"image": _PIXELS},
        "outputs": {
            "mean": _info("DT_FLOAT", -1, 2),
            "stddev": _info("DT_FLOAT", -1, 2),
        },
    },
    "reconstruct_bytes": {
        "inputs": {"image_bytes": _info("DT_STRING", -1)},
        "outputs": {"reconstruction_bytes": _info("DT_STRING", -1)},
    },
}


def _http(body, status="200 OK", headers=""):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers += f"Content-Length: {len(data)}\r\nConnection: close\r\n"
    head = f"HTTP/1.1 {status}\r\n{headers}\r\n"
    return head.encode("latin-1") + data


def _metadata(signatures):
    wrapped = {"signature_def": {"signature_def": signatures}}
    return _http({"model_spec": {"name": "model"}, "metadata": wrapped})


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
            data += connection.recv(1 << 16)
        head, _, body = data.partition(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                while len(body) < int(line.split(b":")[1]):
                    body += connection.recv(1 << 16)
        return head


def _drip(start, piece=b" "):
    def send(connection, stopped):
        connection.sendall(start)
        while not stopped.wait(0.05):
            connection.sendall(piece)

    return send


def _endless(start, piece):
    def send(connection, stopped):
        connection.sendall(start)
        while not stopped.is_set():
            connection.sendall(piece)

    return send


def _say_nothing(connection, stopped):
    stopped.wait(10)


def _said(caught, start):
    """What the user reads: soon, and a line."""
    text = str(caught.value)
    assert "Received: " in text
    assert len(text.splitlines()) == 1
    assert text.isprintable()
    assert len(text) < 600
    assert time.monotonic() - start < _TIMEOUT + 2
    return text


def _decode(target):
    start = time.monotonic()
    with (
        Client(target, timeout=_TIMEOUT, retries=0) as client,
        pytest.raises(UserError) as caught,
    ):
        client.decode(_Z)
    return _said(caught, start)


_DEEP = b"[" * 100_000
_BODIES = {
    "deep list": _DEEP,
    "deep list that ends": _DEEP + b"]" * 100_000,
    "deep dict": b'{"outputs":' * 100_000,
    "deep outputs": b'{"outputs":' + b"[" * 900 + b"]" * 900 + b"}",
    "no JSON": b"outputs",
    "HTML": b"<html>Welcome</html>",
    "nothing": b"",
    "half": b'{"outputs": [[',
    "two": b'{"outputs": 1} {"outputs": 1}',
    "not UTF-8": b'{"outputs": "\xff\xfe"}',
    "UTF-16 of half a character": b'\xff\xfe{\x00"\x00\x00\xd8',
    "NUL bytes": bytes(100),
    "number": b"7",
    "null": b"null",
    "list": b"[1, 2]",
    "text": b'"outputs"',
    "other key": b'{"predictions": [1, 2]}',
    "many digits": b'{"outputs": ' + b"9" * 5000 + b"}",
}


def _with_pixel(value):
    """An answer of the right shape whose first pixel is something else."""
    text = json.dumps({"outputs": _IMAGE})
    return text.replace("0.0", value, 1).encode()


_OUTPUTS = {
    "one row for two": _IMAGE[:1],
    "three rows for two": [*_IMAGE, _IMAGE[0]],
    "no rows": [],
    "a row of another size": np.zeros([2, 3, 3, 1]).tolist(),
    "another rank": np.zeros([2, 6]).tolist(),
    "turned": np.zeros([2, 3, 2, 1]).tolist(),
    "ragged": [_IMAGE[0], _IMAGE[1][:1]],
    "number": 1.5,
    "null": None,
    "text": "image",
    "dict": {"image": _IMAGE},
    "deeper": [[_IMAGE]],
    "string for rows": ["ab", "cd"],
}
_PIXEL = {
    "NaN": ("NaN", "not finite"),
    "infinity": ("Infinity", "not finite"),
    "minus infinity": ("-Infinity", "not finite"),
    "float beyond doubles": ("1e999", "not finite"),
    "float beyond floats": ("1e39", "not finite"),
    "integer beyond doubles": ("1" + "0" * 400, "does not fit"),
    "text of a number": ('"1.5"', "does not fit"),
    "true": ("true", "does not fit"),
    "null": ("null", "does not fit"),
    "dict": ("{}", "does not fit"),
    "base64": ('{"b64": "AAAA"}', "does not fit"),
}


@contextlib.contextmanager
def _rest(post, get=None):
    answers = {b"POST": post, b"GET": get or _metadata(_GOOD)}
    with _HttpServer(answers) as address:
        yield address


def test_good_answer_is_taken():
    with (
        _rest(_http({"outputs": _IMAGE})) as address,
        Client(address, timeout=_TIMEOUT, retries=0) as client,
    ):
        assert client.decode(_Z).tolist() == _IMAGE
        assert client.image_shape == (2, 3, 1)


def test_free_sizes_of_another_signature_are_read_as_they_come():
    signatures = _changed("more", copy.deepcopy(_GOOD["encode"]))
    signatures["more"]["outputs"] = {"x": _info("DT_INT32", -1, -1, 2)}
    good = [[[1, 2], [3, 4], [5, 6]]] * 2
    for outputs in (good, [[], []]):
        with (
            _rest(
                _http({"outputs": outputs}), _metadata(signatures)
            ) as address,
            Client(address, timeout=_TIMEOUT, retries=0) as client,
        ):
            found = client.ask("more", image=np.zeros([2, 2, 3, 1]))["x"]
        assert found.dtype == np.int32
        assert found.tolist() == outputs
    for bad in ([good[0], []], [[[1]], [[1]]], [good[0], 7], [[[1, 2.5]]] * 2):
        with (
            _rest(_http({"outputs": bad}), _metadata(signatures)) as address,
            Client(address, timeout=_TIMEOUT, retries=0) as client,
            pytest.raises(UserError, match="does not fit the signature more"),
        ):
            client.ask("more", image=np.zeros([2, 2, 3, 1]))


@pytest.mark.parametrize("kind", _BODIES)
def test_body_that_is_none(kind):
    answer = _http(_BODIES[kind])
    with _rest(answer) as address:
        said = _decode(address)
    assert "not TF Serving's REST API" in said or "does not fit" in said
    with _rest(answer, get=answer) as address:
        assert "not TF Serving's REST API" in _decode(address)


@pytest.mark.parametrize("kind", _OUTPUTS)
def test_outputs_of_another_form(kind):
    with _rest(_http({"outputs": _OUTPUTS[kind]})) as address:
        assert "does not fit the signature decode" in _decode(address)


@pytest.mark.parametrize("kind", _PIXEL)
def test_number_that_is_none(kind):
    value, said = _PIXEL[kind]
    with _rest(_http(_with_pixel(value))) as address:
        assert said in _decode(address)


@pytest.mark.parametrize(
    "outputs",
    [
        {"mean": [[0.0, 0.0]] * 2},
        {"mean": [[0.0, 0.0]] * 2, "stddev": [[0.0]] * 2},
        {"mean": [[0.0, 0.0]] * 2, "stddev": [[0.0, 0.0]] * 3},
        dict.fromkeys(("mean", "stddev", "more"), [[0.0, 0.0]] * 2),
        {"Mean": [[0.0, 0.0]] * 2, "stddev": [[0.0, 0.0]] * 2},
        [[0.0, 0.0]] * 2,
    ],
    ids=["less", "size", "rows", "more", "name", "list"],
)
def test_named_outputs_of_another_form(outputs):
    with (
        _rest(_http({"outputs": outputs})) as address,
        Client(address, timeout=_TIMEOUT, retries=0) as client,
        pytest.raises(UserError, match="does not fit the signature encode"),
    ):
        client.encode(np.zeros([2, 2, 3, 1]))


_PNG = base64.b64encode(b"\x89PNG").decode()


@pytest.mark.parametrize(
    "outputs",
    [
        [_PNG, _PNG],
        [{"b64": _PNG}],
        [{"b64": _PNG}, {"b64": _PNG[:-1]}],
        [{"b64": _PNG}, {"b64": "?" + _PNG}],
        [{"b64": _PNG}, {"b64": "\u00e4"}],
        [{"b64": _PNG}, {"b64": 7}],
        [{"b64": _PNG}, {"b64": _PNG, "x": 1}],
        [{"b64": _PNG}, {}],
        [{"b64": _PNG}, [_PNG]],
        {"b64": _PNG},
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_damaged_base64(outputs):
    with (
        _rest(_http({"outputs": outputs})) as address,
        Client(address, timeout=_TIMEOUT, retries=0) as client,
        pytest.raises(UserError, match="does not fit the signature"),
    ):
        client.ask("reconstruct_bytes", image_bytes=[b"x", b"y"])


_OK = b"HTTP/1.1 200 OK\r\n"
_TRANSPORT = {
    "hangs up": (b"", "closed the connection"),
    "half a status": (b"HTTP/1.1 2", "no HTTP server"),
    "half a header": (_OK + b"Content-Le", "no HTTP server"),
    "half a body": (_OK + b"Content-Length: 99\r\n\r\n{", "within its answer"),
    "half a chunk": (
        _OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{",
        "within its answer",
    ),
    "no chunk": (
        _OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{",
        "within its answer",
    ),
    "length of letters": (_OK + b"Content-Length: x\r\n\r\n{", "REST API"),
    "two lengths": (
        _OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "cannot be asked",
    ),
    "other protocol": (b"SSH-2.0-OpenSSH_9.6\r\n", "no HTTP server"),
    "long status": (b"H" * 100_000, "no HTTP server"),
    "long header": (_OK + b"X: " + b"x" * 100_000, "no HTTP server"),
    "many headers": (_OK + b"X: y\r\n" * 1000 + b"\r\n{}", "no HTTP server"),
    "headers of binary": (
        _OK + b"\xff\x00: \x1b[2J\r\n\r\n{}",
        "no HTTP server",
    ),
    "status 999": (_http({}, "999 Odd"), "HTTP status 999"),
    "no content": (_http(b"", "204 No Content"), "HTTP status 204"),
    "bad gateway": (_http(b"<html>", "502 Bad Gateway"), "HTTP status 502"),
    "busy gateway": (_http(b"<html>", "503 Busy"), "not available now"),
    "late gateway": (_http({"error": "x"}, "504 Late"), "not answer within"),
    "unauthorized": (
        _http({"error": "who are you?"}, "401 No"),
        "who are you?",
    ),
    "error of another form": (
        _http({"error": [["x"] * 9]}, "400 Bad"),
        "refused the request; it says: nothing",
    ),
    "error that is a list": (_http(["error"], "400 Bad"), "HTTP status 400"),
    "error of escapes": (
        _http({"error": "\x1b[2J\ud800\u202e" + "a" * 9999}, "400 Bad"),
        "refused the request; it says: ?[2J",
    ),
    "compressed": (
        _http(gzip.compress(b"{}"), headers="Content-Encoding: gzip\r\n"),
        "compressed",
    ),
    "compressed bomb": (
        _http(
            gzip.compress(b"0" * 10_000_000),
            headers="Content-Encoding: gzip\r\n",
        ),
        "compressed",
    ),
    "unknown coding": (
        _http(b"{}", headers="Content-Encoding: br\r\n"),
        "compressed",
    ),
    "redirection": (
        _http(b"", "302 Found", "Location: http://127.0.0.1:1/\r\n"),
        "HTTP status 302",
    ),
    "redirection to a file": (
        _http(b"", "301 Moved", "Location: file:///etc/passwd\r\n"),
        "HTTP status 301",
    ),
    "silence": (_say_nothing, "not answer within 0.5 s"),
    "status byte by byte": (_drip(b"HTTP/1.1 200 O", b"O"), "not answer"),
    "headers one by one": (_drip(_OK, b"X: y\r\n"), "not answer"),
    "header byte by byte": (_drip(_OK + b"X: ", b"y"), "not answer"),
    "body byte by byte": (
        _drip(_OK + b"Content-Length: 99999\r\n\r\n"),
        "not answer",
    ),
    "chunk byte by byte": (
        _drip(_OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        "not answer",
    ),
    "to be continued": (
        _endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        "not answer",
    ),
}


@pytest.mark.parametrize("kind", _TRANSPORT)
@pytest.mark.parametrize("request_of", ["metadata", "answer"])
def test_transport_that_fails(request_of, kind, caplog):
    answer, expected = _TRANSPORT[kind]
    get = answer if request_of == "metadata" else None
    with _rest(answer, get) as address:
        assert expected in _decode(address)
    # Nor does a library print what we have said already.
    assert not caplog.records


def test_body_without_end(monkeypatch):
    monkeypatch.setattr("keras_vae.serving.rest_backend.MAX_BYTES", 1 << 20)
    body = _endless(_OK + b"\r\n", b" " * 65536)
    with _rest(body) as address:
        assert "REST API" in (said := _decode(address))
        assert "more than 1 MiB" in said


def _changed(path, value):
    """Returns the good metadata with another value at a path."""
    found = copy.deepcopy(_GOOD)
    *parents, last = path.split("/")
    place = found
    for key in parents:
        place = place[key]
    if value is _MISSING:
        del place[last]
    else:
        place[last] = value
    return found


_MISSING = object()
_DIM = "decode/inputs/z/tensor_shape/dim"
_FOREIGN_METADATA = {
    "no dtype": ("decode/inputs/z/dtype", _MISSING),
    "unknown dtype": ("decode/inputs/z/dtype", "DT_VARIANT"),
    "number as dtype": ("decode/inputs/z/dtype", 1),
    "list as dtype": ("decode/inputs/z/dtype", ["DT_FLOAT"]),
    "list as tensors": ("decode/inputs", ["z"]),
    "null as tensors": ("decode/outputs", None),
    "text as tensor": ("decode/inputs/z", "float"),
    "list as signature": ("decode", []),
    "text as shape": ("decode/inputs/z/tensor_shape", "x"),
    "dict as sizes": (_DIM, {"size": "2"}),
    "text as size": (_DIM, [{"size": "-1"}, {"size": "two"}]),
    "fraction as text": (_DIM, [{"size": "-1"}, {"size": "2.5"}]),
    "infinite size": (_DIM, [{"size": "-1"}, {"size": float("inf")}]),
    "null as size": (_DIM, [{"size": None}]),
    "deep sizes": (_DIM, [[[[]]]]),
}
_OTHER_MODEL = {
    "no input": ("decode/inputs/z", _MISSING),
    "no inputs": ("decode/inputs", {}),
    "no outputs": ("decode/outputs", {}),
    "other output": ("decode/outputs", {"pixels": _PIXELS}),
    "one input more": ("decode/inputs/more", _info("DT_FLOAT", -1)),
    "unknown rank": ("decode/inputs/z/tensor_shape", {"unknown_rank": True}),
    "vectors": ("decode/outputs/image", _info("DT_FLOAT", -1, 6)),
    "other dtype": ("decode/inputs/z/dtype", "DT_INT32"),
    "files": ("decode/outputs/image/dtype", "DT_STRING"),
    "free size": (_DIM, [{"size": "-1"}, {"size": "-1"}]),
    "no size": (_DIM, [{"size": "-1"}, {}]),
    "rank 5": ("reconstruct/inputs/image", _info("DT_FLOAT", -1, 2, 3, 1, 1)),
    "no image": ("reconstruct/inputs", {}),
    "scalar": ("reconstruct/inputs/image", _info("DT_FLOAT")),
}


@pytest.mark.parametrize("kind", [*_FOREIGN_METADATA, *_OTHER_MODEL])
def test_metadata_of_another_form(kind):
    path, value = {**_FOREIGN_METADATA, **_OTHER_MODEL}[kind]
    get = _metadata(_changed(path, value))
    with _rest(_http({"outputs": _IMAGE}), get) as address:
        said = _decode(address)
        if kind in _FOREIGN_METADATA:
            assert "no signatures" in said
        else:
            assert "The model is none of this package" in said


@pytest.mark.parametrize(
    "answer",
    [
        {"metadata": {}},
        {"metadata": []},
        {"metadata": {"signature_def": None}},
        {"metadata": {"signature_def": {"signature_def": []}}},
        {"metadata": {"signature_def": {"signature_def": "x"}}},
    ],
    ids=json.dumps,
)
def test_metadata_without_signatures(answer):
    with _rest(_http({}), _http(answer)) as address:
        assert "no signatures" in _decode(address)


def test_sizes_beyond_memory_ask_for_none():
    get = _metadata(
        _changed("decode/outputs/image", _info("DT_FLOAT", -1, 2**62, 2, 1))
    )
    with _rest(_http({"outputs": _IMAGE}), get) as address:
        assert "does not fit" in _decode(address)


# gRPC


class _Raw(grpc.GenericRpcHandler):
    """Answers a method with bytes, or lets a function answer."""

    def __init__(self, answers):
        self._answers = answers

    def service(self, details):
        answer = self._answers[details.method.removeprefix(_SERVICE)]

        def respond(request, context):
            return answer(context) if callable(answer) else answer

        return grpc.unary_unary_rpc_method_handler(respond)


@contextlib.contextmanager
def _grpc(predict, metadata=None):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    answers = {
        "Predict": predict,
        "GetModelMetadata": _signatures() if metadata is None else metadata,
    }
    server.add_generic_rpc_handlers((_Raw(answers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def _signatures(change=None):
    found = get_model_metadata_pb2.SignatureDefMap()
    for name, sides in _GOOD.items():
        for side, tensors in sides.items():
            for key, info in tensors.items():
                tensor = getattr(found.signature_def[name], side)[key]
                tensor.dtype = tf.dtypes.as_dtype(
                    info["dtype"].removeprefix("DT_").lower()
                ).as_datatype_enum
                for dim in info["tensor_shape"]["dim"]:
                    tensor.tensor_shape.dim.add(size=int(dim["size"]))
    if change is not None:
        change(found.signature_def)
    answer = get_model_metadata_pb2.GetModelMetadataResponse()
    answer.metadata["signature_def"].Pack(found)
    return answer.SerializeToString()


def _answer(change=None, **tensors):
    answer = predict_pb2.PredictResponse()
    images = np.zeros([2, 2, 3, 1], np.float32)
    for name, value in (tensors or {"image": images}).items():
        answer.outputs[name].CopyFrom(tf.make_tensor_proto(value))
    if change is not None:
        change(answer.outputs["image"])
    return answer.SerializeToString()


def _cut(proto):
    proto.tensor_content = proto.tensor_content[:-4]


def _claim_content(proto):
    proto.tensor_content = bytes(400)


def _no_content(proto):
    proto.ClearField("tensor_content")


def _one_value(proto):
    proto.ClearField("tensor_content")
    proto.float_val.append(0.5)


def _too_many_values(proto):
    proto.ClearField("tensor_content")
    proto.float_val.extend([0.0] * 13)


def _integers_for_floats(proto):
    proto.ClearField("tensor_content")
    proto.int_val.extend([1] * 12)


def _claim_much(proto):
    del proto.tensor_shape.dim[:]
    for size in (2, 2**40, 3, 1):
        proto.tensor_shape.dim.add(size=size)
    proto.ClearField("tensor_content")
    proto.float_val.append(1.0)


def _negative(proto):
    proto.tensor_shape.dim[0].size = -1


def _no_shape(proto):
    proto.ClearField("tensor_shape")
    proto.tensor_shape.unknown_rank = True


def _text(proto):
    proto.CopyFrom(tf.make_tensor_proto([[[[b"1.5"] * 1] * 3] * 2] * 2))


def _unknown_dtype(proto):
    proto.dtype = 999


def _images(*shape, dtype=np.float32, value=0.0):
    return {"image": np.full(shape, value, dtype)}


_PROTOS = {
    "cut content": _answer(_cut),
    "too much content": _answer(_claim_content),
    "no content": _answer(_no_content),
    "one value": _answer(_one_value),
    "too many values": _answer(_too_many_values),
    "integers": _answer(_integers_for_floats),
    "much claimed": _answer(_claim_much),
    "negative size": _answer(_negative),
    "unknown rank": _answer(_no_shape),
    "strings": _answer(_text),
    "unknown dtype": _answer(_unknown_dtype),
    "float64": _answer(**_images(2, 2, 3, 1, dtype=np.float64)),
    "float16": _answer(**_images(2, 2, 3, 1, dtype=np.float16)),
    "int32": _answer(**_images(2, 2, 3, 1, dtype=np.int32)),
    "bool": _answer(**_images(2, 2, 3, 1, dtype=np.bool_)),
    "one row": _answer(**_images(1, 2, 3, 1)),
    "no rows": _answer(**_images(0, 2, 3, 1)),
    "turned": _answer(**_images(2, 3, 2, 1)),
    "flat": _answer(**_images(2, 6)),
    "other name": _answer(pixels=np.zeros([2, 2, 3, 1], np.float32)),
    "one more": _answer(**_images(2, 2, 3, 1), more=np.zeros([2], np.float32)),
    "empty": b"",
}
_LARGE = _answer(**_images(2, 500, 1000, 1))


def test_good_message_is_taken():
    with (
        _grpc(_answer()) as address,
        Client(address, timeout=_TIMEOUT, retries=0) as client,
    ):
        assert client.decode(_Z).tolist() == _IMAGE
        assert client.image_shape == (2, 3, 1)


@pytest.mark.parametrize("kind", _PROTOS)
def test_tensor_of_another_form(kind):
    with _grpc(_PROTOS[kind]) as address:
        assert "does not fit the signature decode" in _decode(address)


def test_values_one_by_one_are_taken():
    def change(proto):
        proto.ClearField("tensor_content")
        proto.float_val.extend(np.arange(12) / 8)

    with (
        _grpc(_answer(change)) as address,
        Client(address, timeout=_TIMEOUT, retries=0) as client,
    ):
        expected = np.arange(12, dtype=np.float32).reshape([2, 2, 3, 1]) / 8
        np.testing.assert_array_equal(client.decode(_Z), expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_tensor_that_is_not_finite(value):
    answer = _answer(**_images(2, 2, 3, 1, value=value))
    with _grpc(answer) as address:
        assert "not finite: image in row 0" in _decode(address)


def test_message_that_is_too_large(monkeypatch):
    limit = ("grpc.max_receive_message_length", 1 << 20)
    options = [limit, ("grpc.enable_http_proxy", 0)]
    monkeypatch.setattr("keras_vae.serving.grpc_backend._OPTIONS", options)
    with _grpc(_LARGE) as address:
        assert "larger than max" in _decode(address)


def _abort(code, details):
    return lambda context: context.abort(code, details)


@pytest.mark.parametrize("request_of", ["metadata", "answer"])
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"\xff" * 50, "gRPC API"),
        (_abort(grpc.StatusCode.UNKNOWN, "\x1b[2J" + "a" * 900), "?[2J"),
        (_abort(grpc.StatusCode.DATA_LOSS, ""), "says: nothing"),
        (_abort(grpc.StatusCode.UNAUTHENTICATED, "who?"), "says: who?"),
        (_abort(grpc.StatusCode.UNIMPLEMENTED, "what?"), "gRPC API"),
        (_abort(grpc.StatusCode.UNAVAILABLE, "busy"), "not available"),
        (_abort(grpc.StatusCode.DEADLINE_EXCEEDED, ""), "did not answer"),
        (lambda context: time.sleep(0.8), "did not answer"),
    ],
    ids=[
        *("garbage", "escapes", "no words", "stranger", "other service"),
        *("busy", "late gateway", "late"),
    ],
)
def test_call_that_fails(request_of, answer, expected, caplog):
    metadata = answer if request_of == "metadata" else None
    with _grpc(answer, metadata) as address:
        assert expected in _decode(address)
    assert not caplog.records


def _packed(message):
    answer = get_model_metadata_pb2.GetModelMetadataResponse()
    answer.metadata["signature_def"].CopyFrom(message)
    return answer.SerializeToString()


def _set_dtype(value):
    def change(signatures):
        signatures["decode"].inputs["z"].dtype = value

    return change


def _drop_output(signatures):
    del signatures["decode"].outputs["image"]


def _free_rank(signatures):
    shape = signatures["decode"].inputs["z"].tensor_shape
    shape.Clear()
    shape.unknown_rank = True


_URL = "type.googleapis.com/tensorflow.serving.SignatureDefMap"
_PROTO_METADATA = {
    "nothing": (b"", "no signatures"),
    "another message": (
        _packed(any_pb2.Any(type_url="x/y", value=b"z")),
        "no signatures",
    ),
    "garbage": (
        _packed(any_pb2.Any(type_url=_URL, value=b"\xff" * 9)),
        "no signatures",
    ),
    "no signature": (_packed(any_pb2.Any(type_url=_URL)), "no signatures"),
    "unknown dtype": (_signatures(_set_dtype(999)), "no signatures"),
    "variant": (_signatures(_set_dtype(21)), "no signatures"),
    "no dtype": (_signatures(_set_dtype(0)), "no signatures"),
    "no output": (_signatures(_drop_output), "none of this package"),
    "free rank": (_signatures(_free_rank), "none of this package"),
}


@pytest.mark.parametrize("kind", _PROTO_METADATA)
def test_signatures_of_another_form(kind):
    metadata, expected = _PROTO_METADATA[kind]
    with _grpc(_answer(), metadata) as address:
        assert expected in _decode(address)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
