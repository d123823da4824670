"""Layers that run one after the other, where a network holds several lists."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

__all__ = ["build_layers", "run_layers"]


def build_layers(layers: Sequence[keras.layers.Layer], shape: Any) -> Any:
    """Builds `layers` in turn, those that are not built yet.

    Args:
        layers: Each has the output of the one before as its input.
        shape: What the first one gets, `(None, ...)`.

    Returns:
        The shape of the last one's output.
    """
    for layer in layers:
        if not layer.built:  # A layer from a file is.
            layer.build(shape)
        shape = layer.compute_output_shape(shape)
    return shape


def run_layers(
    layers: Sequence[keras.layers.Layer], x: tf.Tensor, **kwargs: Any
) -> tf.Tensor:
    """Applies `layers` one after the other, each with `kwargs`."""
    for layer in layers:
        x = layer(x, **kwargs)
    return x
