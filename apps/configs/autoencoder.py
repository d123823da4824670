"""The plain autoencoder: convolutions and max-pooling, squared error."""

from keras_vae.config import VAEConfig


def get_config() -> VAEConfig:
    """Returns the configuration; `--config.NAME=VALUE` overrides it."""
    return VAEConfig(
        model="autoencoder",
        architecture="convolutional",
        activation="relu",
        learning_rate=1e-3,
        clip_norm=0.0,
    )
