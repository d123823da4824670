"""Asks a server of the protocol check, and makes what it is asked."""

import io
import json
import struct
import urllib.error
import urllib.request
import zlib

import grpc
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tests.serving.protocol import messages

__all__ = [
    "SHAPE",
    "bomb",
    "byte_strings",
    "gif",
    "images",
    "png",
    "predict",
    "refused",
    "rest",
]

SHAPE = (4, 6, 1)


def images(count, seed=1):
    """Returns float32 images `[count, *SHAPE]` in [0, 1)."""
    random = np.random.default_rng(seed)
    return random.uniform(size=[count, *SHAPE]).astype(np.float32)


def png(image, kind="PNG"):
    """Returns an image as a PNG file, or one of another kind."""
    file = io.BytesIO()
    levels = (image[..., 0] * 255).astype(np.uint8)
    PIL.Image.fromarray(levels).save(file, kind)
    return file.getvalue()


def bomb(size=30000):
    """A small PNG whose header declares a large image."""

    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + data + chunk(b"IEND", b"")


def gif():
    """Returns a small GIF file whose header declares 65535x65535 pixels."""
    data = bytearray(png(np.zeros(SHAPE), "GIF"))
    data[6:10] = b"\xff" * 4
    return bytes(data)


def byte_strings(*values):
    """Returns an array of bytes objects, which NumPy leaves alone."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def predict(server, signature, inputs, version=None):
    """Asks over gRPC; returns name -> array."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = server.model_name
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    for key, array in inputs.items():
        request.inputs[key].CopyFrom(messages.to_proto(array))
    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(server.grpc_address, options) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        response = stub.Predict(request, timeout=60)
    return {
        key: tf.make_ndarray(proto) for key, proto in response.outputs.items()
    }


def refused(server, *args, **kwargs):
    """Returns the code and the message of what `predict` is refused with."""
    with pytest.raises(grpc.RpcError) as caught:
        predict(server, *args, **kwargs)
    return caught.value.code(), caught.value.details()


def rest(server, path, body=None):
    """Asks over REST; returns the status and the JSON of the answer."""
    data = None if body is None else json.dumps(body).encode()
    url = f"{server.rest_address}/v1/models/{path}"
    try:
        with urllib.request.urlopen(url, data, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
