"""The variational autoencoder with residual networks: the default."""

from keras_vae.config import VAEConfig


def get_config() -> VAEConfig:
    """Returns the configuration; `--config.NAME=VALUE` overrides it."""
    return VAEConfig(model="vae")
