"""Serving: export with signatures, and what asks an export."""

from keras_vae.serving.export import export, export_model, versions
from keras_vae.serving.exported import ExportedModel
from keras_vae.serving.predict import VERBS, predict, read_images
from keras_vae.serving.signatures import make_endpoints

__all__ = [
    "VERBS",
    "ExportedModel",
    "export",
    "export_model",
    "make_endpoints",
    "predict",
    "read_images",
    "versions",
]
