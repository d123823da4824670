"""Training: strategies, the run folder, callbacks, and `train` itself."""

from keras_vae.training.diagnosis import diagnose
from keras_vae.training.divergence import DivergedError
from keras_vae.training.experiment import ExperimentConfig, RunFolder
from keras_vae.training.optimizer import Adam, Adamax, Muon
from keras_vae.training.strategy import make_strategy, share_cores
from keras_vae.training.trainer import (
    TrainResult,
    load_trained,
    resolve_data,
    train,
)

__all__ = [
    "Adam",
    "Adamax",
    "DivergedError",
    "ExperimentConfig",
    "Muon",
    "RunFolder",
    "TrainResult",
    "diagnose",
    "load_trained",
    "make_strategy",
    "resolve_data",
    "share_cores",
    "train",
]
