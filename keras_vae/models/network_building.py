"""How a model takes its networks."""

from collections.abc import Mapping
from typing import Any

import keras

__all__ = ["build_networks", "check_networks"]


def check_networks(networks: Mapping[str, keras.Model]) -> None:
    """Raises ValueError unless a model's networks fit each other.

    Args:
        networks: By the names of the model's arguments.
    """
    _check_same(networks, "latent_dim")
    _check_same(networks, "image_shape")
    _check_same(networks, "num_classes", 0)


def build_networks(networks: Mapping[str, keras.Model]) -> None:
    """Builds a model's networks, each with all of its layers.

    Args:
        networks: By name: `decoder` takes latents, and any other images. The
            first knows the images and the classes, the last the latents.
    """
    *_, last = networks.values()
    first = next(iter(networks.values()))
    label = []
    if getattr(first, "num_classes", 0):
        label = [keras.KerasTensor((None,), "int32")]
    for name, network in networks.items():
        shape = first.image_shape
        if name == "decoder":
            shape = (last.latent_dim,)
        _build(network, keras.KerasTensor((None, *shape)), *label)


def _check_same(
    networks: Mapping[str, keras.Model], attribute: str, default: Any = None
) -> None:
    """Raises ValueError unless the networks that have it agree on it.

    An encoder of a hierarchical model gives features, not latents.
    """
    values = [getattr(net, attribute, default) for net in networks.values()]
    found = [value for value in values if value is not None]
    if any(value != found[0] for value in found):
        names = " and ".join(f"`{name}`" for name in networks)
        raise ValueError(
            f"{names} must have the same {attribute}. "
            f"Received: {' and '.join(map(str, found))}"
        )


def _build(network: keras.Model, *inputs: keras.KerasTensor) -> None:
    """Builds a network, and what its `build` leaves to the first call."""
    if not network.built and type(network).build is not keras.Layer.build:
        network.build(inputs[0].shape)
    if not all(layer.built for layer in network._flatten_layers()):
        # No symbolic call: Keras wants tensors of one, not a distribution.
        network.compute_output_spec(*inputs)
        network.built = True
