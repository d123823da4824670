"""An export of this package, held to the rules of the model server."""

import base64
import concurrent.futures
import shutil
import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

from keras_vae.serving import ExportedModel
from tests.serving.protocol import asking, messages, warmup
from tests.serving.protocol.batching import BatchingParameters
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


@pytest.fixture(scope="module")
def joining(model_base_path, tmp_path_factory):
    """A server that waits until it has eight rows, whoever sent them."""
    base = tmp_path_factory.mktemp("joining") / "vae"
    shutil.copytree(model_base_path, base)
    # Its requests have one row each, and would wait.
    (base / "1" / warmup.FILE).unlink()
    eight = BatchingParameters(
        max_batch_size=8, batch_timeout_micros=60 * 10**6
    )
    with running_server(base, batching=eight) as server:
        yield server


@pytest.mark.parametrize("signature", sorted(_NAMES))
def test_rows_do_not_depend_on_what_they_are_joined_with(
    signature, joining, model
):
    inputs = _inputs(8)[signature]
    expected = model(signature, **inputs)
    parts = [slice(0, 1), slice(1, 3), slice(3, 6), slice(6, 8)]
    before = asking.rest(joining, "vae/calls")[1]["calls"]

    def ask(part):
        rows = {name: array[part] for name, array in inputs.items()}
        return asking.predict(joining, signature, rows)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, parts))
    assert asking.rest(joining, "vae/calls")[1]["calls"] == before + 1
    for part, answer in zip(parts, answers, strict=True):
        _assert_same(answer, {k: v[part] for k, v in expected.items()})


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
        # Back to an old version, as the documentation says.
        (base / "10").rename(base / "10.broken")
        _wait_for_state(server, 10, "END")
        assert asking.predict(server, "decode", z, version=9)


def _swap(server, base):
    # Damaged versions: the old one goes on.
    _publish(base, "2", _damage_graph)
    _wait_for_state(server, 2, "END")
    _publish(base, "3", _ask_what_is_not_there)
    _wait_for_state(server, 3, "END")
    assert _states(server)[1] == "AVAILABLE"
    # 10 is higher than 9, though not in the order of names.
    _publish(base, "9")
    _publish(base, "10")
    _wait_for_state(server, 10, "AVAILABLE")
    _wait_for_state(server, 1, "END")


def _publish(base, version, change=lambda folder: None):
    folder = base / ".partial"
    shutil.copytree(base / "1", folder)
    change(folder)
    folder.rename(base / version)


def _damage_graph(folder):
    (folder / "saved_model.pb").write_bytes(b"damaged")


def _ask_what_is_not_there(folder):
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = "decode"
    # Another number of latents.
    request.inputs["z"].CopyFrom(messages.to_proto(np.zeros([1, 2], "f4")))
    with tf.io.TFRecordWriter(str(folder / warmup.FILE)) as writer:
        writer.write(log.SerializeToString())


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
