"""Use: a run in one's hands, from its training to its export."""

from keras_vae.use.session import load, train
from keras_vae.use.trained_run import TrainedRun

__all__ = ["TrainedRun", "load", "train"]
