"""A model around one layer, for tests of the layer."""

from collections.abc import Callable
from typing import Any

import keras

__all__ = ["LayerModel"]


@keras.saving.register_keras_serializable(package="keras_vae_tests")
class LayerModel(keras.Model):
    """A small subclassed model around one layer; it returns tensors.

    Args:
        layer: The layer. It may return a distribution.
        to_tensors: A function from the layer's output to a nest of tensors.
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        to_tensors: Callable[[Any], Any],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.layer = layer
        self.to_tensors = to_tensors

    def call(self, inputs: Any) -> Any:
        return self.to_tensors(self.layer(inputs))

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "layer": serialize(self.layer),
            "to_tensors": serialize(self.to_tensors),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "LayerModel":
        deserialize = keras.saving.deserialize_keras_object
        config = dict(config)
        layer = deserialize(config.pop("layer"))
        return cls(layer, deserialize(config.pop("to_tensors")), **config)
