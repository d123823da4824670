"""Use: a run in one's hands, and one function for each verb."""

from keras_vae.use.augment import augment
from keras_vae.use.encode import encode
from keras_vae.use.impute import impute, upscale
from keras_vae.use.interpolate import interpolate
from keras_vae.use.reconstruct import reconstruct, reconstruct_images
from keras_vae.use.sample import sample, sample_batches
from keras_vae.use.score import score
from keras_vae.use.session import load, train
from keras_vae.use.source import ImageSource, SourceImages
from keras_vae.use.trained_run import TrainedRun
from keras_vae.use.traverse import traverse

__all__ = [
    "ImageSource",
    "SourceImages",
    "TrainedRun",
    "augment",
    "encode",
    "impute",
    "interpolate",
    "load",
    "reconstruct",
    "reconstruct_images",
    "sample",
    "sample_batches",
    "score",
    "train",
    "traverse",
    "upscale",
]
