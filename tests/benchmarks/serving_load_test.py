"""Tests of the load benchmark, on a tiny model."""

import pytest

from benchmarks import serving_load, serving_requests
from benchmarks.serving_load import Load, Soak
from keras_vae.config import (
    DenseConfig,
    TrainingConfig,
    VAEConfig,
)
from keras_vae.data import DataConfig
from keras_vae.models import build_model
from keras_vae.serving import ExportedModel, export
from keras_vae.training import ExperimentConfig, TrainedModel
from tests.serving.protocol import server as protocol_server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def base_path(tmp_path_factory):
    config = VAEConfig(architecture=DenseConfig((8,)), latent_dim=3)
    experiment = ExperimentConfig(
        DataConfig("mnist_5k"), config, TrainingConfig()
    )
    model = build_model(config, (4, 6, 1), likelihood="bernoulli")
    folder = tmp_path_factory.mktemp("load") / "vae"
    export(TrainedModel(model, experiment, experiment.prepare()), folder)
    return folder


def test_load_and_soak_count_what_they_sent(base_path):
    model = ExportedModel(base_path)
    inputs = serving_requests.make_inputs(model.metadata, "sample", 2, seed=0)
    message = serving_requests.to_message("sample", inputs)
    with serving_requests.Server(base_path) as server:
        load = serving_load.load(server, "gRPC", message, 2, 20)
        assert load.clients == 2
        assert len(load.seconds) == 20
        assert 0 < load.model_seconds < 2 * load.wall_seconds
        assert load.model_calls == 20
        soak = serving_load.soak(server, model.metadata, 2, 60)
        assert (soak.requests, soak.errors) == (60, 0), soak.first_error
        assert soak.memory_before > 10**8
        # A request that is refused is an error, and is told.
        wrong = {**model.metadata, "latent_dim": 5, "signatures": ["decode"]}
        soak = serving_load.soak(server, wrong, 2, 20)
        assert soak.errors == 20
        assert soak.first_error
    alone = serving_load.in_process(model, "sample", 2, 3)
    assert len(alone.seconds) == 3


def test_server_has_its_name():
    assert protocol_server.__name__ == serving_requests.SERVER


def test_a_load_has_percentiles_and_the_share_outside_the_model():
    seconds = [0.001 * i for i in range(101)]
    # Of 50 ms on average a call of the model, which four share, takes 10.
    row = serving_load.load_row(Load("x", 8, seconds, 2.0, 0.25, 25))
    assert {key: str(value) for key, value in row.items()} == {
        "label": "x",
        "clients": "8",
        "rate": "50",
        "p50": "50.0",
        "p99": "99.0",
        "joined": "4.0",
        "call": "10.00",
        "outside": "80",
    }


def test_a_soak_has_its_errors_and_memory():
    row = serving_load.soak_row(Soak(1000, 1, "E: no", 10**9, 12 * 10**8, 2))
    assert {key: str(value) for key, value in row.items()} == {
        "label": "soak",
        "requests": "1000",
        "errors": "1",
        "rate": "500",
        "before": "1000",
        "after": "1200",
    }


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
