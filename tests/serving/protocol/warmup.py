"""Replays the requests that an export carries, before it answers others.

References:
    tensorflow_serving/servables/tensorflow/saved_model_warmup_util.cc
"""

import pathlib

import tensorflow as tf
from google.protobuf import message
from grpc import StatusCode
from tensorflow_serving.apis import prediction_log_pb2

from tests.serving.protocol import messages
from tests.serving.protocol.messages import StatusError
from tests.serving.protocol.servable import Servable

__all__ = ["FILE", "replay"]

FILE = pathlib.PurePath("assets.extra", "tf_serving_warmup_requests")


def replay(servable: Servable) -> int:
    """Runs the requests of the warm-up file, if there is one.

    Args:
        servable: The loaded version.

    Returns:
        The number of requests.

    Raises:
        StatusError: If a record is bad, or a request fails.
    """
    path = servable.path / FILE
    if not path.exists():
        return 0
    try:
        records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
        logs = [prediction_log_pb2.PredictionLog.FromString(r) for r in records]
    except (tf.errors.DataLossError, message.DecodeError) as error:
        raise StatusError(
            StatusCode.DATA_LOSS,
            f"corrupted record in {path}. Please verify your warmup data is "
            "in TFRecord format.",
        ) from error
    for log in logs:
        kind = log.WhichOneof("log_type")
        if kind != "predict_log":
            raise StatusError(
                StatusCode.UNIMPLEMENTED,
                f"Unsupported log_type for warmup: {kind}",
            )
        request = log.predict_log.request
        inputs = {k: messages.from_proto(v) for k, v in request.inputs.items()}
        servable.predict(request.model_spec.signature_name, inputs)
    return len(logs)
