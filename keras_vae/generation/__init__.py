"""Generation: what a trained model is used for, one function for each verb."""

from keras_vae.generation.augment import augment
from keras_vae.generation.encode import encode
from keras_vae.generation.impute import impute, upscale
from keras_vae.generation.interpolate import interpolate
from keras_vae.generation.reconstruct import reconstruct, reconstruct_images
from keras_vae.generation.sample import sample, sample_batches
from keras_vae.generation.score import score
from keras_vae.generation.source import (
    ImageSource,
    SourceImages,
)
from keras_vae.generation.traverse import traverse

__all__ = [
    "ImageSource",
    "SourceImages",
    "augment",
    "encode",
    "impute",
    "interpolate",
    "reconstruct",
    "reconstruct_images",
    "sample",
    "sample_batches",
    "score",
    "traverse",
    "upscale",
]
