"""What made a run: versions, command and machine, for its `config.json`."""

import importlib.metadata
import os
import platform
import sys
from typing import Any

import keras
import tensorflow as tf

import keras_vae

__all__ = ["origin"]


def origin() -> dict[str, Any]:
    """Returns `versions`, `command` and `machine` as plain data for JSON."""
    probability = importlib.metadata.version("tensorflow-probability")
    return {
        "versions": {
            "keras_vae": keras_vae.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "tensorflow_probability": probability,
            "python": platform.python_version(),
        },
        "command": list(sys.argv),
        "machine": {
            "system": platform.platform(),
            "cpus": os.cpu_count(),
            "accelerators": [
                device.name
                for device in tf.config.list_physical_devices()
                if device.device_type != "CPU"
            ],
        },
    }
