"""Tests of the requests that an export carries: each is answered."""

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from keras_vae.config import (
    AutoencoderConfig,
    DenseConfig,
    TrainingConfig,
    VAEConfig,
)
from keras_vae.data import DataConfig
from keras_vae.models import build_model
from keras_vae.serving import ExportedModel, export
from keras_vae.serving.metadata import METADATA
from keras_vae.serving.warmup import WARMUP, requests
from keras_vae.training import ExperimentConfig, TrainedModel
from tests.serving.protocol import warmup
from tests.serving.protocol.batching import BatchingParameters
from tests.serving.protocol.servable import Servable


def _read(folder):
    """Returns the requests of an export, through TensorFlow's own reader."""
    found = []
    for record in tf.data.TFRecordDataset(str(folder / WARMUP)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        assert log.WhichOneof("log_type") == "predict_log"
        found.append(log.predict_log.request)
    return found


def _export(folder, channels, kind=VAEConfig):
    experiment = ExperimentConfig(
        DataConfig("mnist_5k"),
        kind(architecture=DenseConfig((4,)), latent_dim=2),
        TrainingConfig(epochs=1),
    )
    model = build_model(
        experiment.model, (4, 5, channels), likelihood="bernoulli"
    )
    return export(TrainedModel(model, experiment, experiment.prepare()), folder)


@pytest.fixture(scope="module", params=[("vae", 3), ("autoencoder", 1)])
def version(request, tmp_path_factory):
    """Returns a version folder: in colour, and grey without a prior."""
    name, channels = request.param
    folder = tmp_path_factory.mktemp("export")
    kinds = {"vae": VAEConfig, "autoencoder": AutoencoderConfig}
    return _export(folder, channels, kinds[name])


def test_there_is_a_request_for_each_signature(version):
    names = [r.model_spec.signature_name for r in _read(version)]
    metadata = json.loads((version / METADATA).read_text())
    assert names == list(metadata["signatures"])
    assert ("sample" in names) == (metadata["model"] == "vae")


def test_the_export_answers_each_request(version):
    exported = ExportedModel(version)
    for request in _read(version):
        name = request.model_spec.signature_name
        inputs = {k: tf.make_ndarray(v) for k, v in request.inputs.items()}
        assert {len(value) for value in inputs.values()} == {1}
        answer = exported(name, **inputs)
        assert set(answer) == set(
            exported.metadata["signatures"][name]["outputs"]
        )
        for values in answer.values():
            assert len(values) == 1
            if values.dtype != object:
                assert np.isfinite(values).all()


def test_the_protocol_check_replays_them(version):
    servable = Servable("vae", 1, version, BatchingParameters())
    try:
        assert warmup.replay(servable) == len(_read(version))
    finally:
        servable.close()


def test_a_label_is_among_the_inputs_of_a_conditional_model():
    signature = {
        "inputs": {
            "label": {"dtype": "int32", "shape": [None]},
            "seed": {"dtype": "int32", "shape": [None, 2]},
            "temperature": {"dtype": "float32", "shape": [None]},
        }
    }
    metadata = {"image_shape": [4, 5, 1], "signatures": {"sample": signature}}
    (request,) = requests(metadata)
    inputs = {k: tf.make_ndarray(v) for k, v in request.inputs.items()}
    assert {k: v.dtype for k, v in inputs.items()} == {
        "label": np.int32,
        "seed": np.int32,
        "temperature": np.float32,
    }
    assert inputs["label"].tolist() == [0]
    assert inputs["seed"].tolist() == [[0, 0]]
    assert inputs["temperature"].tolist() == [1.0]


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
