"""Training: strategies, the run folder, callbacks, and `train` itself."""

from keras_vae.training.callbacks import DivergedError
from keras_vae.training.experiment import ExperimentConfig, RunFolder
from keras_vae.training.optimizer import Adam
from keras_vae.training.strategy import make_strategy
from keras_vae.training.trainer import (
    TrainResult,
    load_trained,
    resolve_data,
    train,
)

__all__ = [
    "Adam",
    "DivergedError",
    "ExperimentConfig",
    "RunFolder",
    "TrainResult",
    "load_trained",
    "make_strategy",
    "resolve_data",
    "train",
]
