"""Bad requests: a clear status each, and the server goes on answering."""

import json

import grpc
import numpy as np
import pytest

from tests.serving.protocol import asking
from tests.serving.protocol.server import running_server

_INVALID = grpc.StatusCode.INVALID_ARGUMENT
_F = np.float32
_SEED = np.zeros([2, 2], np.int32)
_BAD_FILES = {
    "not an image": (b"x", ""),
    "truncated": (asking.png(asking.images(1)[0])[:40], ""),
    "empty file": (b"", ""),
    "header": (asking.bomb()[:20], ""),
    "bomb": (asking.bomb(), "[30000,30000,0]"),
    # Smaller than what TensorFlow itself refuses.
    "small bomb": (asking.bomb(20000), "[20000,20000,0]"),
    "largest bomb": (asking.bomb(2**32 - 1), ""),
    "GIF bomb": (asking.gif(), "JPEG"),
    "JPEG size": (asking.png(np.zeros([9, 8, 1]), "JPEG"), "[9,8,0]"),
}
_BAD = {
    "dtype": ("encode", {"image": asking.images(1).astype("f8")}, "double"),
    "missing": ("sample", {"seed": _SEED}, "Missing but required: {temper"),
    "extra": (
        "decode",
        {"z": np.zeros([1, 3], _F), "a": np.zeros(1, _F)},
        "Sent extra: {a}",
    ),
    "name": ("decode", {"x": np.zeros([1, 3], _F)}, "alias not found"),
    "rows": ("sample", {"seed": _SEED, "temperature": np.ones(3, _F)}, ""),
    **{
        case: (
            "reconstruct_bytes",
            {"image_bytes": asking.byte_strings(file)},
            message,
        )
        for case, (file, message) in _BAD_FILES.items()
    },
}


@pytest.mark.parametrize("case", _BAD)
def test_bad_request_is_refused_and_the_server_goes_on(case, server):
    signature, inputs, message = _BAD[case]
    code, details = asking.refused(server, signature, inputs)
    assert code == _INVALID, details
    assert message in details
    answer = asking.predict(server, "encode", {"image": asking.images(2)})
    assert answer["mean"].shape == (2, 3)


@pytest.mark.parametrize("value", ["-1.0", "NaN", "Infinity", "1e39"])
def test_temperature_in_json_is_refused(value, server):
    body = {"signature_name": "sample", "inputs": {"seed": [[1, 2]]}}
    for text, expected in ((value, 400), ("0.0", 200)):
        body["inputs"]["temperature"] = [json.loads(text)]
        code, answer = asking.rest(server, "vae:predict", body)
        assert code == expected
    assert set(answer) == {"outputs"}


def test_empty_and_large_batches(model_base_path):
    with running_server(model_base_path) as server:
        answer = asking.predict(server, "encode", {"image": asking.images(0)})
        assert answer["mean"].shape == (0, 3)
        images = asking.images(10000)
        answer = asking.predict(server, "reconstruct", {"image": images})
        assert answer["reconstruction"].shape == images.shape


def test_names_that_are_not_there(server):
    z = {"z": np.zeros([1, 3], _F)}
    code, details = asking.refused(server, "decod", z)
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert details == 'Serving signature key "decod" not found.'
    body = {"signature_name": "decode", "instances": [[0.0, 0.0, 0.0]]}
    assert asking.rest(server, "x")[0] == 404
    for bad, message in (
        ({"signature_name": "decod"}, '"decod" not found in signature def'),
        ({"instances": [{"x": [0.0]}]}, "keys must be equal to: z"),
        ({"instances": [["a", 0.0, 0.0]]}, "not of expected type: float"),
    ):
        code, answer = asking.rest(server, "vae:predict", body | bad)
        assert code == 400
        assert message in answer["error"]


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
