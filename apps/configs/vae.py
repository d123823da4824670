"""The variational autoencoder with residual networks: the default."""

from keras_vae.config import ModelConfig


def get_config() -> ModelConfig:
    """Returns the configuration; `--config.NAME=VALUE` overrides it."""
    return ModelConfig(model="vae")
