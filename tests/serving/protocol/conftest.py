"""Fixtures of these tests."""

import pathlib

import pytest

from keras_vae.config import DenseConfig, TrainingConfig, VAEConfig
from keras_vae.data import DataConfig
from keras_vae.models import build_model
from keras_vae.serving import export
from keras_vae.training import ExperimentConfig, TrainedModel
from tests.serving.protocol.batching import BatchingParameters
from tests.serving.protocol.server import running_server


@pytest.fixture(scope="session")
def model_base_path(tmp_path_factory) -> pathlib.Path:
    """Returns the folder of a tiny dense VAE's export, version 1.

    Images are 4x6 grey, z has 3 numbers.
    """
    folder = tmp_path_factory.mktemp("protocol") / "vae"
    config = VAEConfig(architecture=DenseConfig((8,)), latent_dim=3)
    experiment = ExperimentConfig(
        DataConfig("mnist_5k"), config, TrainingConfig()
    )
    model = build_model(config, (4, 6, 1), likelihood="bernoulli", seed=7)
    export(TrainedModel(model, experiment, experiment.prepare()), folder)
    return folder


@pytest.fixture(scope="module", params=[False, True], ids=["bare", "batched"])
def server(model_base_path, request):
    """Yields a server of that export, once bare and once joining requests."""
    batching = BatchingParameters(
        max_batch_size=64,
        batch_timeout_micros=500,
        allowed_batch_sizes=(4, 64),
    )
    with running_server(
        model_base_path, batching=batching if request.param else None
    ) as server:
        yield server
