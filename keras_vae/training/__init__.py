"""Training: strategies, the run folder, callbacks, and `train` itself."""

from keras_vae.training.diagnosis import diagnose
from keras_vae.training.divergence import DivergedError
from keras_vae.training.experiment import ExperimentConfig
from keras_vae.training.guard import Guard
from keras_vae.training.loss_scale import LossScale
from keras_vae.training.optimizer import Adam, Adamax, Muon
from keras_vae.training.preparation import Preparation, prepare
from keras_vae.training.run_data import RunData, open_run_data
from keras_vae.training.run_folder import RunFolder
from keras_vae.training.strategy import make_strategy, share_cores
from keras_vae.training.trained import load_trained
from keras_vae.training.trained_model import TrainedModel
from keras_vae.training.trainer import TrainResult, train

__all__ = [
    "Adam",
    "Adamax",
    "DivergedError",
    "ExperimentConfig",
    "Guard",
    "LossScale",
    "Muon",
    "Preparation",
    "RunData",
    "RunFolder",
    "TrainResult",
    "TrainedModel",
    "diagnose",
    "load_trained",
    "make_strategy",
    "open_run_data",
    "prepare",
    "share_cores",
    "train",
]
