"""Training: strategies, the run folder, callbacks, and `train` itself."""

from keras_vae.training.diagnosis import diagnose
from keras_vae.training.divergence import DivergedError
from keras_vae.training.experiment import ExperimentConfig, RunFolder
from keras_vae.training.optimizer import Adam, Adamax, Muon
from keras_vae.training.preparation import resolve_data
from keras_vae.training.run_data import RunData, open_run_data
from keras_vae.training.strategy import make_strategy, share_cores
from keras_vae.training.trained import (
    TrainedRun,
    load_trained,
    load_trained_run,
)
from keras_vae.training.trainer import TrainResult, train

__all__ = [
    "Adam",
    "Adamax",
    "DivergedError",
    "ExperimentConfig",
    "Muon",
    "RunData",
    "RunFolder",
    "TrainResult",
    "TrainedRun",
    "diagnose",
    "load_trained",
    "load_trained_run",
    "make_strategy",
    "open_run_data",
    "resolve_data",
    "share_cores",
    "train",
]
