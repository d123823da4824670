"""Tests of the protocol check: what it answers, and what it refuses.

They hold an export of this package to the rules of the model server.
"""

import base64
import concurrent.futures
import io
import json
import shutil
import struct
import threading
import time
import urllib.error
import urllib.request
import zlib

import grpc
import numpy as np
import PIL.Image
import pytest
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from keras_vae.serving import ExportedModel
from tests.serving.protocol import tensors
from tests.serving.protocol.batching import BatchingParameters
from tests.serving.protocol.server import running_server

_SHAPE = (4, 6, 1)
_NAMES = {
    "serving_default",
    "reconstruct",
    "encode",
    "decode",
    "sample",
    "score",
    "reconstruct_bytes",
}
_INVALID = grpc.StatusCode.INVALID_ARGUMENT


@pytest.fixture(scope="module", params=[False, True], ids=["bare", "batched"])
def server(model_base_path, request):
    batching = BatchingParameters(
        max_batch_size=64,
        batch_timeout_micros=500,
        allowed_batch_sizes=(4, 64),
    )
    with running_server(
        model_base_path, batching=batching if request.param else None
    ) as server:
        yield server


@pytest.fixture(scope="module")
def model(model_base_path):
    return ExportedModel(model_base_path)


def _images(count, seed=1):
    random = np.random.default_rng(seed)
    return random.uniform(size=[count, *_SHAPE]).astype(np.float32)


def _png(image):
    file = io.BytesIO()
    levels = (image[..., 0] * 255).astype(np.uint8)
    PIL.Image.fromarray(levels).save(file, "PNG")
    return file.getvalue()


def _bomb(size=30000):
    """A small PNG whose header declares a large image."""

    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    parts = chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _gif():
    file = io.BytesIO()
    PIL.Image.new("L", (6, 4)).save(file, "GIF")
    data = bytearray(file.getvalue())
    data[6:10] = b"\xff" * 4
    return bytes(data)


def _jpeg(image):
    file = io.BytesIO()
    levels = (image[..., 0] * 255).astype(np.uint8)
    PIL.Image.fromarray(levels).save(file, "JPEG", quality=100)
    return file.getvalue()


def _bytes(*values):
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _inputs(count=3):
    images = _images(count)
    seeds = np.stack([np.full(count, 7), np.arange(count)], 1).astype(np.int32)
    z = np.random.default_rng(2).normal(size=[count, 3]).astype(np.float32)
    return {
        "serving_default": {"image": images},
        "reconstruct": {"image": images},
        "encode": {"image": images},
        "decode": {"z": z},
        "sample": {"seed": seeds, "temperature": np.ones(count, np.float32)},
        "score": {"image": images, "seed": seeds},
        "reconstruct_bytes": {"image_bytes": _bytes(*map(_png, images))},
    }


def _predict(server, signature, inputs, name="vae", version=None, label=None):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    if label is not None:
        request.model_spec.version_label = label
    for key, array in inputs.items():
        request.inputs[key].CopyFrom(tensors.to_proto(array))
    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(server.grpc_address, options) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        response = stub.Predict(request, timeout=60)
    return {
        key: tensors.from_proto(key, proto)
        for key, proto in response.outputs.items()
    }


def _refused(server, *args, **kwargs):
    with pytest.raises(grpc.RpcError) as caught:
        _predict(server, *args, **kwargs)
    return caught.value.code(), caught.value.details()


def _rest(server, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    url = f"{server.rest_address}/v1/models/{path}"
    try:
        with urllib.request.urlopen(url, data, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def _assert_same(answer, expected):
    assert set(answer) == set(expected)
    for name, values in expected.items():
        if values.dtype == object:
            assert list(answer[name]) == list(values)
        else:
            np.testing.assert_allclose(
                answer[name], values, rtol=1e-4, atol=1e-5
            )


@pytest.mark.parametrize("signature", sorted(_NAMES))
def test_grpc_gives_the_numbers_of_python(signature, server, model):
    inputs = _inputs()[signature]
    answer = _predict(server, signature, inputs)
    _assert_same(answer, model(signature, **inputs))
    assert all(v.dtype in (np.float32, object) for v in answer.values())


def test_jpeg_is_taken_too(server, model):
    inputs = {"image_bytes": _bytes(_jpeg(_images(1)[0]))}
    answer = _predict(server, "reconstruct_bytes", inputs)
    _assert_same(answer, model("reconstruct_bytes", **inputs))


def _listed(array):
    if array.dtype != object:
        return array.tolist()
    return [{"b64": base64.b64encode(value).decode()} for value in array]


def _arrays(lists, expected):
    return {
        name: _bytes(*(base64.b64decode(item["b64"]) for item in lists[name]))
        if values.dtype == object
        else np.array(lists[name], np.float32)
        for name, values in expected.items()
    }


@pytest.mark.parametrize("signature", sorted(_NAMES))
def test_rest_gives_them_in_rows_and_in_columns(signature, server, model):
    inputs = _inputs()[signature]
    expected = model(signature, **inputs)
    columns = {name: _listed(array) for name, array in inputs.items()}
    body = {"signature_name": signature, "inputs": columns}
    code, answer = _rest(server, "vae:predict", body)
    assert code == 200, answer
    lists = answer["outputs"]
    if len(expected) == 1:
        lists = dict.fromkeys(expected, lists)
    _assert_same(_arrays(lists, expected), expected)
    rows = [
        dict(zip(columns, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]
    body = {"signature_name": signature, "instances": rows}
    code, answer = _rest(server, "vae/versions/1:predict", body)
    assert code == 200, answer
    lists = {
        name: [
            row if len(expected) == 1 else row[name]
            for row in answer["predictions"]
        ]
        for name in expected
    }
    _assert_same(_arrays(lists, expected), expected)


def test_rows_do_not_depend_on_what_they_are_joined_with(server):
    alone = [
        _predict(server, "sample", {k: v[i : i + 1] for k, v in inputs.items()})
        for inputs in [_inputs(8)["sample"]]
        for i in range(8)
    ]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        inputs = _inputs(8)["sample"]
        together = list(
            pool.map(
                lambda i: _predict(
                    server,
                    "sample",
                    {k: v[i : i + 1] for k, v in inputs.items()},
                ),
                range(8),
            )
        )
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one["image"], other["image"], atol=1e-5)


def test_metadata_names_every_signature(server):
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "vae"
    request.metadata_field.append("signature_def")
    with grpc.insecure_channel(server.grpc_address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        response = stub.GetModelMetadata(request, timeout=60)
    assert response.model_spec.version.value == 1
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def) >= _NAMES
    code, answer = _rest(server, "vae/metadata")
    assert code == 200
    found = answer["metadata"]["signature_def"]["signature_def"]
    assert set(found) == set(signatures.signature_def)
    image = found["reconstruct"]["inputs"]["image"]
    assert image["dtype"] == "DT_FLOAT"
    sizes = [dim["size"] for dim in image["tensor_shape"]["dim"]]
    assert sizes == ["-1", "4", "6", "1"]


def test_status_names_the_version(server):
    code, answer = _rest(server, "vae")
    status = {"error_code": "OK", "error_message": ""}
    expected = {"version": "1", "state": "AVAILABLE", "status": status}
    assert (code, answer) == (200, {"model_version_status": [expected]})


_F = np.float32
_SEED = np.zeros([2, 2], np.int32)
_BAD = {
    "dtype": ("encode", {"image": _images(1).astype("f8")}, "double"),
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
    "not an image": ("reconstruct_bytes", {"image_bytes": _bytes(b"x")}, ""),
    "truncated": (
        "reconstruct_bytes",
        {"image_bytes": _bytes(_png(_images(1)[0])[:40])},
        "",
    ),
    "empty file": ("reconstruct_bytes", {"image_bytes": _bytes(b"")}, ""),
    "header": ("reconstruct_bytes", {"image_bytes": _bytes(_bomb()[:20])}, ""),
    "bomb": (
        "reconstruct_bytes",
        {"image_bytes": _bytes(_bomb())},
        "[30000,30000,0]",
    ),
    # Smaller than what TensorFlow itself refuses.
    "small bomb": (
        "reconstruct_bytes",
        {"image_bytes": _bytes(_bomb(20000))},
        "[20000,20000,0]",
    ),
    "largest bomb": (
        "reconstruct_bytes",
        {"image_bytes": _bytes(_bomb(2**32 - 1))},
        "",
    ),
    "GIF bomb": ("reconstruct_bytes", {"image_bytes": _bytes(_gif())}, "JPEG"),
    "JPEG size": (
        "reconstruct_bytes",
        {"image_bytes": _bytes(_jpeg(np.zeros([9, 8, 1])))},
        "[9,8,0]",
    ),
}


@pytest.mark.parametrize("case", _BAD)
def test_bad_request_is_refused_and_the_server_goes_on(case, server):
    signature, inputs, message = _BAD[case]
    code, details = _refused(server, signature, inputs)
    assert code == _INVALID, details
    assert message in details
    assert _predict(server, "encode", {"image": _images(2)})["mean"].shape == (
        2,
        3,
    )


@pytest.mark.parametrize(
    "value", [-3.0, 7.0, np.nan, np.inf], ids=["low", "high", "nan", "inf"]
)
def test_values_out_of_range_do_no_harm(value, server):
    images = _images(2)
    images[0] = value
    for signature in ("reconstruct", "encode"):
        # A row that is no image spoils its own answer alone.
        answer = _predict(server, signature, {"image": images})
        good = _predict(server, signature, {"image": images[1:]})
        for name, values in good.items():
            np.testing.assert_allclose(answer[name][1:], values, atol=1e-5)
    seeds = np.zeros([2, 2], np.int32)
    answer = _predict(server, "score", {"image": images, "seed": seeds})
    assert np.isfinite(answer["elbo"][1])


def test_empty_and_large_batches(model_base_path):
    with running_server(model_base_path) as server:
        answer = _predict(server, "encode", {"image": _images(0)})
        assert answer["mean"].shape == (0, 3)
        images = _images(10000)
        answer = _predict(server, "reconstruct", {"image": images})
        assert answer["reconstruction"].shape == images.shape
    batching = BatchingParameters(max_batch_size=64, allowed_batch_sizes=(64,))
    with running_server(model_base_path, batching=batching) as server:
        for count in (0, 10000):
            code, _ = _refused(server, "encode", {"image": _images(count)})
            assert code == _INVALID
        assert len(_predict(server, "encode", {"image": _images(64)})["mean"])


def test_what_is_not_there(server):
    z = {"z": np.zeros([1, 3], _F)}
    missing = grpc.StatusCode.NOT_FOUND
    assert _refused(server, "decode", z, name="x")[0] == missing
    assert _refused(server, "decode", z, version=9)[0] == missing
    assert _refused(server, "decode", z, label="stable")[0] == _INVALID
    code, details = _refused(server, "decod", z)
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert details == 'Serving signature key "decod" not found.'
    body = {"signature_name": "decode", "instances": [[0.0, 0.0, 0.0]]}
    assert _rest(server, "x:predict", body)[0] == 404
    assert _rest(server, "vae/versions/9:predict", body)[0] == 404
    assert _rest(server, "vae/labels/stable:predict", body)[0] == 400
    body["signature_name"] = "decod"
    assert _rest(server, "vae:predict", body)[0] == 400
    assert _rest(server, "x")[0] == 404
    assert _rest(server, "vae:classify", body)[0] == 400


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
    code, answer = _rest(server, "vae:predict", body)
    assert code == 400
    assert message in answer["error"]
    good = {"signature_name": "decode", "instances": [[0.0, 1, 2.0]]}
    assert _rest(server, "vae:predict", good)[0] == 200


def test_deadline_is_kept(server):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "vae"
    request.inputs["image"].CopyFrom(tensors.to_proto(_images(64)))
    with grpc.insecure_channel(server.grpc_address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(request, timeout=1e-4)
        # The second is what a batch says whose time passed in the queue.
        assert caught.value.code() in (
            grpc.StatusCode.DEADLINE_EXCEEDED,
            grpc.StatusCode.RESOURCE_EXHAUSTED,
        )
        assert stub.Predict(request, timeout=60).outputs


def test_versions_are_swapped_without_a_lost_request(model_base_path, tmp_path):
    base = tmp_path / "vae"
    shutil.copytree(model_base_path, base)
    z = {"z": np.zeros([1, 3], _F)}
    with (
        running_server(base, poll_seconds=0.02) as server,
        concurrent.futures.ThreadPoolExecutor(3) as pool,
    ):
        done = threading.Event()

        def ask():
            count = 0
            while not done.is_set():
                _predict(server, "decode", z)
                count += 1
            return count

        asking = [pool.submit(ask) for _ in range(2)]
        try:
            _swap(server, base)
        finally:
            done.set()
        assert all(one.result() > 0 for one in asking)
        missing = grpc.StatusCode.NOT_FOUND
        assert _refused(server, "decode", z, version=1)[0] == missing
        assert _predict(server, "decode", z, version=10)


def _swap(server, base):
    # A damaged version: the old one goes on.
    (base / "2").mkdir()
    (base / "2" / "saved_model.pb").write_bytes(b"damaged")
    _wait_for_state(server, 2, "END")
    assert _states(server)[1] == "AVAILABLE"
    shutil.rmtree(base / "2")
    # 10 is higher than 9, though not in the order of names.
    for version in ("9", "10"):
        shutil.copytree(base / "1", base / ".partial")
        (base / ".partial").rename(base / version)
    _wait_for_state(server, 10, "AVAILABLE")
    _wait_for_state(server, 1, "END")


def _states(server):
    _, answer = _rest(server, "vae")
    return {
        int(one["version"]): one["state"]
        for one in answer["model_version_status"]
    }


def _wait_for_state(server, version, state):
    end = time.monotonic() + 60
    while _states(server).get(version) != state:
        assert time.monotonic() < end, _states(server)
        time.sleep(0.02)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
