"""Bad requests: a clear status each, and the server goes on answering."""

import json

import grpc
import numpy as np
import pytest

from tests.serving.protocol import asking
from tests.serving.protocol.batching import BatchingParameters
from tests.serving.protocol.server import running_server

_INVALID = grpc.StatusCode.INVALID_ARGUMENT
_F = np.float32
_SEED = np.zeros([2, 2], np.int32)
_BAD = {
    "dtype": ("encode", {"image": asking.images(1).astype("f8")}, "double"),
    "size": ("encode", {"image": np.zeros([1, 5, 6, 1], _F)}, ""),
    "rank": ("encode", {"image": np.zeros([4, 6, 1], _F)}, ""),
    "latents": ("decode", {"z": np.zeros([2, 6], _F)}, ""),
    "missing": ("sample", {"seed": _SEED}, "Missing but required: {temper"),
    "extra": (
        "decode",
        {"z": np.zeros([1, 3], _F), "a": np.zeros(1, _F)},
        "Sent extra: {a}",
    ),
    "name": ("decode", {"x": np.zeros([1, 3], _F)}, "alias not found"),
    "rows": ("sample", {"seed": _SEED, "temperature": np.ones(3, _F)}, ""),
    "not an image": (
        "reconstruct_bytes",
        {"image_bytes": asking.byte_strings(b"x")},
        "",
    ),
    "truncated": (
        "reconstruct_bytes",
        {
            "image_bytes": asking.byte_strings(
                asking.png(asking.images(1)[0])[:40]
            )
        },
        "",
    ),
    "empty file": (
        "reconstruct_bytes",
        {"image_bytes": asking.byte_strings(b"")},
        "",
    ),
    "header": (
        "reconstruct_bytes",
        {"image_bytes": asking.byte_strings(asking.bomb()[:20])},
        "",
    ),
    "bomb": (
        "reconstruct_bytes",
        {"image_bytes": asking.byte_strings(asking.bomb())},
        "[30000,30000,0]",
    ),
    # Smaller than what TensorFlow itself refuses.
    "small bomb": (
        "reconstruct_bytes",
        {"image_bytes": asking.byte_strings(asking.bomb(20000))},
        "[20000,20000,0]",
    ),
    "largest bomb": (
        "reconstruct_bytes",
        {"image_bytes": asking.byte_strings(asking.bomb(2**32 - 1))},
        "",
    ),
    "GIF bomb": (
        "reconstruct_bytes",
        {"image_bytes": asking.byte_strings(asking.gif())},
        "JPEG",
    ),
    "JPEG size": (
        "reconstruct_bytes",
        {"image_bytes": asking.byte_strings(asking.jpeg(np.zeros([9, 8, 1])))},
        "[9,8,0]",
    ),
}


@pytest.mark.parametrize("case", _BAD)
def test_bad_request_is_refused_and_the_server_goes_on(case, server):
    signature, inputs, message = _BAD[case]
    code, details = asking.refused(server, signature, inputs)
    assert code == _INVALID, details
    assert message in details
    assert asking.predict(server, "encode", {"image": asking.images(2)})[
        "mean"
    ].shape == (
        2,
        3,
    )


@pytest.mark.parametrize(
    "value", [-3.0, 7.0, np.nan, np.inf], ids=["low", "high", "nan", "inf"]
)
def test_values_out_of_range_are_refused(value, server):
    images = asking.images(2)
    images[0] = value
    seeds = np.zeros([2, 2], np.int32)
    for signature, more in (
        ("reconstruct", {}),
        ("encode", {}),
        ("score", {"seed": seeds}),
    ):
        code, details = asking.refused(
            server, signature, {"image": images, **more}
        )
        assert code == _INVALID
        assert "image must be in [0, 1]" in details
        good = {"image": asking.images(2), **more}
        for values in asking.predict(server, signature, good).values():
            assert np.isfinite(values).all()


@pytest.mark.parametrize("value", ["-1.0", "NaN", "Infinity", "1e39"])
def test_temperature_in_json_is_refused(value, server):
    body = {"signature_name": "sample", "inputs": {"seed": [[1, 2]]}}
    for text, expected in ((value, 400), ("0.0", 200)):
        body["inputs"]["temperature"] = [json.loads(text)]
        code, answer = asking.rest(server, "vae:predict", body)
        assert code == expected
    assert set(answer) == {"outputs"}


@pytest.mark.parametrize("seed", [[1.5, 2], ["1", 2], [True, 2], [2**31, 0]])
def test_seed_in_json_of_another_type_is_refused(seed, server):
    inputs = {"seed": [seed], "temperature": [1.0]}
    body = {"signature_name": "sample", "inputs": inputs}
    assert asking.rest(server, "vae:predict", body)[0] == 400


def test_empty_and_large_batches(model_base_path):
    with running_server(model_base_path) as server:
        answer = asking.predict(server, "encode", {"image": asking.images(0)})
        assert answer["mean"].shape == (0, 3)
        images = asking.images(10000)
        answer = asking.predict(server, "reconstruct", {"image": images})
        assert answer["reconstruction"].shape == images.shape
    batching = BatchingParameters(max_batch_size=64, allowed_batch_sizes=(64,))
    with running_server(model_base_path, batching=batching) as server:
        for count in (0, 10000):
            code, _ = asking.refused(
                server, "encode", {"image": asking.images(count)}
            )
            assert code == _INVALID
        assert len(
            asking.predict(server, "encode", {"image": asking.images(64)})[
                "mean"
            ]
        )


def test_what_is_not_there(server):
    z = {"z": np.zeros([1, 3], _F)}
    missing = grpc.StatusCode.NOT_FOUND
    assert asking.refused(server, "decode", z, name="x")[0] == missing
    assert asking.refused(server, "decode", z, version=9)[0] == missing
    assert asking.refused(server, "decode", z, label="stable")[0] == _INVALID
    code, details = asking.refused(server, "decod", z)
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert details == 'Serving signature key "decod" not found.'
    body = {"signature_name": "decode", "instances": [[0.0, 0.0, 0.0]]}
    assert asking.rest(server, "x:predict", body)[0] == 404
    assert asking.rest(server, "vae/versions/9:predict", body)[0] == 404
    assert asking.rest(server, "vae/labels/stable:predict", body)[0] == 400
    body["signature_name"] = "decod"
    assert asking.rest(server, "vae:predict", body)[0] == 400
    assert asking.rest(server, "x")[0] == 404
    assert asking.rest(server, "vae:classify", body)[0] == 400


@pytest.mark.parametrize(
    "body, message",
    [
        ([1], "Is not object"),
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"instances": []}, "No values"),
        ({"instances": 1}, "list/array"),
        ({"instances": [[1.0, 2.0]], "inputs": 1}, "only one of"),
        ({"instances": [[0.0, 0.0, 0.0], [0.0]]}, "shape"),
        ({"instances": [[0.0, [0.0], 0.0]]}, "level"),
        ({"instances": [["a", 0.0, 0.0]]}, "not of expected type: float"),
        ({"instances": [[2**24, 0, 0]]}, "without loss of precision"),
        ({"instances": [{"x": [0.0, 0.0, 0.0]}]}, "keys must be equal to: z"),
        ({"inputs": {"x": 0}}, "Missing named input: z"),
        ({"signature_name": 3}, "must be a string"),
    ],
)
def test_bad_json_is_refused(body, message, server):
    if isinstance(body, dict):
        body = {"signature_name": "decode", **body}
    code, answer = asking.rest(server, "vae:predict", body)
    assert code == 400
    assert message in answer["error"]
    good = {"signature_name": "decode", "instances": [[0.0, 1, 2.0]]}
    assert asking.rest(server, "vae:predict", good)[0] == 200


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
