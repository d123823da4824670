"""Tests of the client against REST servers that answer anything at all."""

import base64
import gzip
import itertools
import json

import numpy as np
import pytest

from keras_vae.errors import UserError
from keras_vae.serving import Client
from tests.serving.hostile import (
    IMAGE,
    SCORES,
    TIMEOUT,
    Z,
    decode,
    order_of_scores,
)
from tests.serving.hostile_http import drip, endless, http, rest, say_nothing

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
    text = json.dumps({"outputs": IMAGE})
    return text.replace("0.0", value, 1).encode()


_OUTPUTS = {
    "one row for two": IMAGE[:1],
    "three rows for two": [*IMAGE, IMAGE[0]],
    "no rows": [],
    "a row of another size": np.zeros([2, 3, 3, 1]).tolist(),
    "another rank": np.zeros([2, 6]).tolist(),
    "turned": np.zeros([2, 3, 2, 1]).tolist(),
    "ragged": [IMAGE[0], IMAGE[1][:1]],
    "number": 1.5,
    "null": None,
    "text": "image",
    "dict": {"image": IMAGE},
    "deeper": [[IMAGE]],
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


@pytest.mark.parametrize("names", list(itertools.permutations(SCORES)))
def test_scores_have_one_order(names):
    outputs = {name: [1.0] for name in names}
    with rest(http({"outputs": outputs})) as address:
        assert order_of_scores(address) == SCORES


def test_good_answer_is_taken():
    with (
        rest(http({"outputs": IMAGE})) as address,
        Client(address, timeout=TIMEOUT, retries=0) as client,
    ):
        assert client.decode(Z).tolist() == IMAGE
        assert client.image_shape == (2, 3, 1)


@pytest.mark.parametrize("kind", _BODIES)
def test_body_that_is_none(kind):
    answer = http(_BODIES[kind])
    with rest(answer) as address:
        said = decode(address)
    assert "not TF Serving's REST API" in said or "does not fit" in said
    with rest(answer, get=answer) as address:
        assert "not TF Serving's REST API" in decode(address)


@pytest.mark.parametrize("kind", _OUTPUTS)
def test_outputs_of_another_form(kind):
    with rest(http({"outputs": _OUTPUTS[kind]})) as address:
        assert "does not fit the signature decode" in decode(address)


@pytest.mark.parametrize("kind", _PIXEL)
def test_number_that_is_none(kind):
    value, said = _PIXEL[kind]
    with rest(http(_with_pixel(value))) as address:
        assert said in decode(address)


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
        rest(http({"outputs": outputs})) as address,
        Client(address, timeout=TIMEOUT, retries=0) as client,
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
        rest(http({"outputs": outputs})) as address,
        Client(address, timeout=TIMEOUT, retries=0) as client,
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
    "status 999": (http({}, "999 Odd"), "HTTP status 999"),
    "no content": (http(b"", "204 No Content"), "HTTP status 204"),
    "bad gateway": (http(b"<html>", "502 Bad Gateway"), "HTTP status 502"),
    "busy gateway": (http(b"<html>", "503 Busy"), "not available now"),
    "late gateway": (http({"error": "x"}, "504 Late"), "not answer within"),
    "unauthorized": (
        http({"error": "who are you?"}, "401 No"),
        "who are you?",
    ),
    "error of another form": (
        http({"error": [["x"] * 9]}, "400 Bad"),
        "refused the request; it says: nothing",
    ),
    "error that is a list": (http(["error"], "400 Bad"), "HTTP status 400"),
    "error of escapes": (
        http({"error": "\x1b[2J\ud800\u202e" + "a" * 9999}, "400 Bad"),
        "refused the request; it says: ?[2J",
    ),
    "compressed": (
        http(gzip.compress(b"{}"), headers="Content-Encoding: gzip\r\n"),
        "compressed",
    ),
    "compressed bomb": (
        http(
            gzip.compress(b"0" * 10_000_000),
            headers="Content-Encoding: gzip\r\n",
        ),
        "compressed",
    ),
    "unknown coding": (
        http(b"{}", headers="Content-Encoding: br\r\n"),
        "compressed",
    ),
    "redirection": (
        http(b"", "302 Found", "Location: http://127.0.0.1:1/\r\n"),
        "HTTP status 302",
    ),
    "redirection to a file": (
        http(b"", "301 Moved", "Location: file:///etc/passwd\r\n"),
        "HTTP status 301",
    ),
    "silence": (say_nothing, "not answer within 0.5 s"),
    "status byte by byte": (drip(b"HTTP/1.1 200 O", b"O"), "not answer"),
    "headers one by one": (drip(_OK, b"X: y\r\n"), "not answer"),
    "header byte by byte": (drip(_OK + b"X: ", b"y"), "not answer"),
    "body byte by byte": (
        drip(_OK + b"Content-Length: 99999\r\n\r\n"),
        "not answer",
    ),
    "chunk byte by byte": (
        drip(_OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        "not answer",
    ),
    "to be continued": (
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        "not answer",
    ),
}


@pytest.mark.parametrize("kind", _TRANSPORT)
@pytest.mark.parametrize("request_of", ["metadata", "answer"])
def test_transport_that_fails(request_of, kind, caplog):
    answer, expected = _TRANSPORT[kind]
    get = answer if request_of == "metadata" else None
    with rest(answer, get) as address:
        assert expected in decode(address)
    # Nor does a library print what we have said already.
    assert not caplog.records


def test_body_without_end(monkeypatch):
    monkeypatch.setattr("keras_vae.serving.rest_backend.MAX_BYTES", 1 << 20)
    body = endless(_OK + b"\r\n", b" " * 65536)
    with rest(body) as address:
        assert "REST API" in (said := decode(address))
        assert "more than 1 MiB" in said


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
