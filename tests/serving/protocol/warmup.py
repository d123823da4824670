"""Replays the requests that an export carries, before it answers others.

References:
    tensorflow_serving/servables/tensorflow/saved_model_warmup_util.cc
"""

import pathlib

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tests.serving.protocol.servable import Servable

__all__ = ["FILE", "replay"]

FILE = pathlib.PurePath("assets.extra", "tf_serving_warmup_requests")


def replay(servable: Servable) -> int:
    """Runs the requests of the warm-up file, if there is one.

    Args:
        servable: The loaded version, which is not served if this raises.

    Returns:
        The number of requests.

    Raises:
        StatusError: If a request fails.
        tf.errors.DataLossError: If the file is damaged.
    """
    path = servable.path / FILE
    if not path.exists():
        return 0
    count = 0
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        request = log.predict_log.request
        inputs = {k: tf.make_ndarray(v) for k, v in request.inputs.items()}
        servable.predict(request.model_spec.signature_name, inputs)
        count += 1
    return count
