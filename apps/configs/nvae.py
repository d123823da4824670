"""NVAE: `--config.preset` names the sizes to start from."""

from keras_vae.config import NVAEConfig


def get_config() -> NVAEConfig:
    """Returns the configuration; `--config.NAME=VALUE` overrides it."""
    return NVAEConfig.from_preset("cpu_mnist")
