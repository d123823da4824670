"""Serving: export with signatures, and what asks an export."""

from keras_vae.serving.export import export, export_model
from keras_vae.serving.exported import ExportedModel
from keras_vae.serving.predict import VERBS, predict, read_images
from keras_vae.serving.server_files import ServerOptions, write_server_files
from keras_vae.serving.signatures import make_endpoints
from keras_vae.serving.version_folders import versions

__all__ = [
    "VERBS",
    "ExportedModel",
    "ServerOptions",
    "export",
    "export_model",
    "make_endpoints",
    "predict",
    "read_images",
    "versions",
    "write_server_files",
]
