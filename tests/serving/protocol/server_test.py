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
from tensorflow_serving.apis import prediction_log_pb2

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


def _to_json(value):
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    return value.tolist()


def _from_json(values, dtype):
    if dtype.kind == "O":
        return asking.byte_strings(
            *(base64.b64decode(v["b64"]) for v in values)
        )
    return np.array(values, dtype)


@pytest.mark.parametrize("signature", sorted(_NAMES))
def test_rest_gives_them_in_rows(signature, server, model):
    # Columns are what our client asks for: see its own tests.
    inputs = _inputs()[signature]
    rows = [
        {name: _to_json(array[i]) for name, array in inputs.items()}
        for i in range(3)
    ]
    body = {"signature_name": signature, "instances": rows}
    code, answer = asking.rest(server, "vae/versions/1:predict", body)
    assert code == 200, answer
    expected = model(signature, **inputs)
    rows = answer["predictions"]
    if len(expected) == 1:
        rows = [dict.fromkeys(expected, row) for row in rows]
    found = {
        name: _from_json([row[name] for row in rows], values.dtype)
        for name, values in expected.items()
    }
    _assert_same(found, expected)


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
    graph = "saved_model.pb"
    _publish(base, "2", lambda folder: (folder / graph).write_bytes(b"damaged"))
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
