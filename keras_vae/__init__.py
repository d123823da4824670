"""Variational autoencoders from a dataset to a served model.

`keras_vae.train(...)` and `keras_vae.load(folder)` return a `TrainedRun`. The
sub-packages are loaded when they are first used, so that `import keras_vae`
itself is cheap and does not import TensorFlow.
"""

import importlib
from typing import Any

from keras_vae.registration import register_lazily

__version__ = "0.2.0"

_SUBPACKAGES = (
    "conditional",
    "config",
    "data",
    "distributions",
    "evaluation",
    "models",
    "networks",
    "objectives",
    "plotting",
    "serving",
    "training",
    "use",
)
# Of `keras_vae.use`.
_NAMES = ("TrainedRun", "load", "train")

__all__ = ["__version__", *_SUBPACKAGES, *_NAMES]


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.use"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


register_lazily()
