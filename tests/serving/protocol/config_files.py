"""Reads the server's files: models, batching, monitoring.

The files are messages as text, which must name fields that exist. The message
of `models.config` is in tensorflow-serving-api; those of the other two are
not, and are declared here after their `.proto` files.

References:
    tensorflow_serving/config/model_server_config.proto,
    tensorflow_serving/config/monitoring_config.proto,
    tensorflow_serving/servables/tensorflow/session_bundle_config.proto
"""

import dataclasses
import functools
import pathlib
from typing import Any

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tensorflow_serving.config import model_server_config_pb2

from tests.serving.protocol.batching import BatchingParameters
from tests.serving.protocol.versions import ModelConfig

__all__ = ["read_batching", "read_models", "read_monitoring"]

_PACKAGE = "keras_vae.tests.protocol"
_FIELD = descriptor_pb2.FieldDescriptorProto
_INT64 = ".google.protobuf.Int64Value"
# Message -> the fields that we write, each with its type. Texts name fields, so
# that the numbers do not matter.
_MESSAGES: dict[str, dict[str, Any]] = {
    "BatchingParameters": {
        "max_batch_size": _INT64,
        "batch_timeout_micros": _INT64,
        "max_enqueued_batches": _INT64,
        "num_batch_threads": _INT64,
        "allowed_batch_sizes": [_FIELD.TYPE_INT64],
    },
    "PrometheusConfig": {
        "enable": _FIELD.TYPE_BOOL,
        "path": _FIELD.TYPE_STRING,
    },
    "MonitoringConfig": {"prometheus_config": f".{_PACKAGE}.PrometheusConfig"},
}


def read_models(path: pathlib.Path) -> list[ModelConfig]:
    """Returns the models of a `models.config`; the package sets no policy."""
    config = _parse(path, model_server_config_pb2.ModelServerConfig())
    return [
        ModelConfig(model.name, pathlib.Path(model.base_path))
        for model in config.model_config_list.config
    ]


def read_batching(path: pathlib.Path) -> BatchingParameters:
    """Returns what a `batching_parameters.txt` says."""
    message = _parse(path, _messages("BatchingParameters")())
    values: dict[str, Any] = {}
    for field in dataclasses.fields(BatchingParameters):
        value = getattr(message, field.name)
        if field.name == "allowed_batch_sizes":
            values[field.name] = tuple(value)
        elif message.HasField(field.name):
            values[field.name] = value.value
    return BatchingParameters(**values)


def read_monitoring(path: pathlib.Path) -> str | None:
    """Returns the path of the Prometheus page; None where it is not wanted."""
    config = _parse(path, _messages("MonitoringConfig")()).prometheus_config
    return config.path if config.enable else None


def _parse(path: pathlib.Path, message: Any) -> Any:
    return text_format.Parse(path.read_text(), message)


@functools.cache
def _messages(name: str) -> Any:
    """Returns the class of one of `_MESSAGES`."""
    file = descriptor_pb2.FileDescriptorProto(
        name="tests/serving/protocol/config_files.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    for message_name, fields in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for number, (field_name, kind) in enumerate(fields.items(), 1):
            field = message.field.add(name=field_name, number=number)
            field.label = _FIELD.LABEL_OPTIONAL
            if isinstance(kind, list):
                field.label = _FIELD.LABEL_REPEATED
                (kind,) = kind
            if isinstance(kind, str):
                field.type, field.type_name = _FIELD.TYPE_MESSAGE, kind
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")
    )
