"""Use: a run in one's hands, and one function for each verb."""

from keras_vae.use.augment import augment
from keras_vae.use.decode import decode
from keras_vae.use.encode import encode
from keras_vae.use.impute import impute, upscale
from keras_vae.use.interpolate import interpolate
from keras_vae.use.reconstruct import reconstruct
from keras_vae.use.sample import sample, sample_batches
from keras_vae.use.score import score
from keras_vae.use.session import load, train
from keras_vae.use.source import ImageSource, SourceImages
from keras_vae.use.target import Target
from keras_vae.use.trained_run import Latents, TrainedRun
from keras_vae.use.traverse import traverse

__all__ = [
    "ImageSource",
    "Latents",
    "SourceImages",
    "Target",
    "TrainedRun",
    "augment",
    "decode",
    "encode",
    "impute",
    "interpolate",
    "load",
    "reconstruct",
    "sample",
    "sample_batches",
    "score",
    "train",
    "traverse",
    "upscale",
]
