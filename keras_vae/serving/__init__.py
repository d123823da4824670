"""Serving: export with signatures, and what asks an export or a server."""

from keras_vae.serving.address import ServerAddress, parse_address
from keras_vae.serving.backend import SignatureInfo, TensorInfo
from keras_vae.serving.client import Client
from keras_vae.serving.export import export, export_model, versions
from keras_vae.serving.exported import ExportedModel
from keras_vae.serving.image_inputs import read_images
from keras_vae.serving.labels import parse_labels
from keras_vae.serving.predict import VERBS, predict
from keras_vae.serving.signatures import make_endpoints

__all__ = [
    "VERBS",
    "Client",
    "ExportedModel",
    "ServerAddress",
    "SignatureInfo",
    "TensorInfo",
    "export",
    "export_model",
    "make_endpoints",
    "parse_address",
    "parse_labels",
    "predict",
    "read_images",
    "versions",
]
