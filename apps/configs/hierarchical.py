"""A top-down hierarchy of dense convolutions, for CPUs and small GPUs."""

from keras_vae.config import HierarchicalConfig


def get_config() -> HierarchicalConfig:
    """Returns the configuration; `--config.NAME=VALUE` overrides it."""
    return HierarchicalConfig()
