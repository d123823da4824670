"""Serving: export with signatures, and what asks an export or a server."""

from keras_vae.serving.address import ServerAddress, parse_address
from keras_vae.serving.backend import SignatureInfo, TensorInfo
from keras_vae.serving.client import Client
from keras_vae.serving.export import export
from keras_vae.serving.exported import ExportedModel
from keras_vae.serving.server_files import ServerOptions, write_server_files
from keras_vae.serving.signatures import make_endpoints
from keras_vae.serving.version_folders import versions

__all__ = [
    "Client",
    "ExportedModel",
    "ServerAddress",
    "ServerOptions",
    "SignatureInfo",
    "TensorInfo",
    "export",
    "make_endpoints",
    "parse_address",
    "versions",
    "write_server_files",
]
