"""Tests of the protocol check: what it answers, and what it refuses.

They hold an export of this package to the rules of the model server.
"""

import base64
import concurrent.futures
import shutil
import threading
import time

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from keras_vae.serving import ExportedModel
from tests.serving.protocol import asking, tensors
from tests.serving.protocol.server import running_server

_NAMES = {
    "serving_default",
    "reconstruct",
    "encode",
    "decode",
    "sample",
    "score",
    "reconstruct_bytes",
}


@pytest.fixture(scope="module")
def model(model_base_path):
    return ExportedModel(model_base_path)


def _inputs(count=3):
    images = asking.images(count)
    seeds = np.stack([np.full(count, 7), np.arange(count)], 1).astype(np.int32)
    z = np.random.default_rng(2).normal(size=[count, 3]).astype(np.float32)
    return {
        "serving_default": {"image": images},
        "reconstruct": {"image": images},
        "encode": {"image": images},
        "decode": {"z": z},
        "sample": {"seed": seeds, "temperature": np.ones(count, np.float32)},
        "score": {"image": images, "seed": seeds},
        "reconstruct_bytes": {
            "image_bytes": asking.byte_strings(*map(asking.png, images))
        },
    }


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
    answer = asking.predict(server, signature, inputs)
    _assert_same(answer, model(signature, **inputs))
    assert all(v.dtype in (np.float32, object) for v in answer.values())


def test_jpeg_is_taken_too(server, model):
    inputs = {
        "image_bytes": asking.byte_strings(asking.jpeg(asking.images(1)[0]))
    }
    answer = asking.predict(server, "reconstruct_bytes", inputs)
    _assert_same(answer, model("reconstruct_bytes", **inputs))


def _listed(array):
    if array.dtype != object:
        return array.tolist()
    return [{"b64": base64.b64encode(value).decode()} for value in array]


def _arrays(lists, expected):
    return {
        name: asking.byte_strings(
            *(base64.b64decode(item["b64"]) for item in lists[name])
        )
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
    code, answer = asking.rest(server, "vae:predict", body)
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
    code, answer = asking.rest(server, "vae/versions/1:predict", body)
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
        asking.predict(
            server, "sample", {k: v[i : i + 1] for k, v in inputs.items()}
        )
        for inputs in [_inputs(8)["sample"]]
        for i in range(8)
    ]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        inputs = _inputs(8)["sample"]
        together = list(
            pool.map(
                lambda i: asking.predict(
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
    code, answer = asking.rest(server, "vae/metadata")
    assert code == 200
    found = answer["metadata"]["signature_def"]["signature_def"]
    assert set(found) == set(signatures.signature_def)
    image = found["reconstruct"]["inputs"]["image"]
    assert image["dtype"] == "DT_FLOAT"
    sizes = [dim["size"] for dim in image["tensor_shape"]["dim"]]
    assert sizes == ["-1", "4", "6", "1"]


def test_status_names_the_version(server):
    code, answer = asking.rest(server, "vae")
    status = {"error_code": "OK", "error_message": ""}
    expected = {"version": "1", "state": "AVAILABLE", "status": status}
    assert (code, answer) == (200, {"model_version_status": [expected]})


def test_deadline_is_kept(server):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "vae"
    request.inputs["image"].CopyFrom(tensors.to_proto(asking.images(64)))
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
    z = {"z": np.zeros([1, 3], np.float32)}
    with (
        running_server(base, poll_seconds=0.02) as server,
        concurrent.futures.ThreadPoolExecutor(3) as pool,
    ):
        done = threading.Event()

        def ask():
            count = 0
            while not done.is_set():
                asking.predict(server, "decode", z)
                count += 1
            return count

        counts = [pool.submit(ask) for _ in range(2)]
        try:
            _swap(server, base)
        finally:
            done.set()
        assert all(one.result() > 0 for one in counts)
        missing = grpc.StatusCode.NOT_FOUND
        assert asking.refused(server, "decode", z, version=1)[0] == missing
        assert asking.predict(server, "decode", z, version=10)


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
    _, answer = asking.rest(server, "vae")
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
