"""Requests that TF Serving replays before an export answers others.

The first request of each kind is slow: TensorFlow prepares kernels and memory
then. A server that finds these requests in the export makes them itself.

References:
    https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

import io
import pathlib
from typing import Any

import numpy as np
import PIL.Image
import tensorflow as tf
from tensorflow_serving.apis import (
    predict_pb2,
    prediction_log_pb2,
)

__all__ = ["WARMUP", "requests", "write_warmup"]

WARMUP = "assets.extra/tf_serving_warmup_requests"
# Inputs that are not images, latents or PNG files, as a caller gives them.
_CONSTANTS = {"temperature": 1.0, "seed": 0, "label": 0}


def write_warmup(path: pathlib.Path, metadata: dict[str, Any]) -> None:
    """Writes one request for each signature.

    Args:
        path: The file: a TFRecord of `PredictionLog` messages.
        metadata: What `metadata.describe` returned.
    """
    with tf.io.TFRecordWriter(str(path)) as writer:
        for request in requests(metadata):
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString(deterministic=True))


def requests(metadata: dict[str, Any]) -> list[predict_pb2.PredictRequest]:
    """Returns one request of one row for each signature, the same each time."""
    random = np.random.default_rng(0)
    found = []
    for name, signature in metadata["signatures"].items():
        request = predict_pb2.PredictRequest()
        request.model_spec.signature_name = name
        for key, spec in signature["inputs"].items():
            value = _value(key, spec, metadata["image_shape"], random)
            request.inputs[key].CopyFrom(
                tf.make_tensor_proto(value, dtype=spec["dtype"])
            )
        found.append(request)
    return found


def _value(
    name: str,
    spec: dict[str, Any],
    image_shape: list[int],
    random: np.random.Generator,
) -> Any:
    if spec["dtype"] == "string":
        return [_png(random.integers(0, 256, image_shape, np.uint8))]
    shape = [1, *spec["shape"][1:]]
    if name in _CONSTANTS:
        return np.full(shape, _CONSTANTS[name], spec["dtype"])
    return random.uniform(size=shape).astype(spec["dtype"])


def _png(levels: np.ndarray) -> bytes:
    file = io.BytesIO()
    squeezed = levels[..., 0] if levels.shape[-1] == 1 else levels
    PIL.Image.fromarray(squeezed).save(file, "PNG")
    return file.getvalue()
