"""Tests of the client against gRPC servers that answer anything at all."""

import concurrent.futures
import contextlib
import itertools
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import any_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

from keras_vae.serving import Client
from tests.serving.hostile import (
    GOOD,
    IMAGE,
    SCORES,
    TIMEOUT,
    Z,
    decode,
    order_of_scores,
)

_SERVICE = "/tensorflow.serving.PredictionService/"


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
    for name, sides in GOOD.items():
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


@pytest.mark.parametrize("names", list(itertools.permutations(SCORES)))
def test_scores_have_one_order(names):
    answer = _answer(**dict.fromkeys(names, np.ones([1], np.float32)))
    with _grpc(answer) as address:
        assert order_of_scores(address) == SCORES


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
        Client(address, timeout=TIMEOUT, retries=0) as client,
    ):
        assert client.decode(Z).tolist() == IMAGE
        assert client.image_shape == (2, 3, 1)


@pytest.mark.parametrize("kind", _PROTOS)
def test_tensor_of_another_form(kind):
    with _grpc(_PROTOS[kind]) as address:
        assert "does not fit the signature decode" in decode(address)


def test_values_one_by_one_are_taken():
    def change(proto):
        proto.ClearField("tensor_content")
        proto.float_val.extend(np.arange(12) / 8)

    with (
        _grpc(_answer(change)) as address,
        Client(address, timeout=TIMEOUT, retries=0) as client,
    ):
        expected = np.arange(12, dtype=np.float32).reshape([2, 2, 3, 1]) / 8
        np.testing.assert_array_equal(client.decode(Z), expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_tensor_that_is_not_finite(value):
    answer = _answer(**_images(2, 2, 3, 1, value=value))
    with _grpc(answer) as address:
        assert "not finite: image in row 0" in decode(address)


def test_message_that_is_too_large(monkeypatch):
    limit = ("grpc.max_receive_message_length", 1 << 20)
    options = [limit, ("grpc.enable_http_proxy", 0)]
    monkeypatch.setattr("keras_vae.serving.grpc_backend._OPTIONS", options)
    with _grpc(_LARGE) as address:
        assert "larger than max" in decode(address)


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
        assert expected in decode(address)
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
    "no output": (_signatures(_drop_output), "not an export of this package"),
    "free rank": (_signatures(_free_rank), "not an export of this package"),
}


@pytest.mark.parametrize("kind", _PROTO_METADATA)
def test_signatures_of_another_form(kind):
    metadata, expected = _PROTO_METADATA[kind]
    with _grpc(_answer(), metadata) as address:
        assert expected in decode(address)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
