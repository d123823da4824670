"""Variational autoencoders from a dataset to a served model.

The sub-packages are loaded when they are first used, so that
`import keras_vae` itself is cheap and does not import TensorFlow.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_SUBPACKAGES = (
    "config",
    "data",
    "distributions",
    "evaluation",
    "generation",
    "models",
    "networks",
    "objectives",
    "serving",
    "training",
)

__all__ = ["__version__", *_SUBPACKAGES]


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
