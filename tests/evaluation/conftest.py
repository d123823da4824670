"""Fixtures of the evaluation tests: two tiny runs."""

import pytest

from keras_vae.config import (
    AutoencoderConfig,
    DenseConfig,
    TrainingConfig,
    VAEConfig,
)
from keras_vae.data import DataConfig
from keras_vae.training import ExperimentConfig, train


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """Returns a folder for prepared data."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def make_run(data_dir, tmp_path_factory):
    """Returns a function that trains a tiny model and returns its folder."""

    def make(kind=VAEConfig, **config):
        dense = DenseConfig((16,))
        experiment = ExperimentConfig(
            DataConfig("mnist_5k", data_dir=str(data_dir)),
            kind(architecture=dense, latent_dim=3, **config),
            TrainingConfig(
                epochs=1, distribution="one_device", precision="float32"
            ),
        )
        workdir = tmp_path_factory.mktemp("run")
        train(experiment, workdir)
        return workdir

    return make


@pytest.fixture(scope="session")
def vae_run(make_run):
    """Returns the folder of a trained VAE."""
    return make_run()


@pytest.fixture(scope="session")
def autoencoder_run(make_run):
    """Returns the folder of a trained autoencoder."""
    return make_run(AutoencoderConfig)
