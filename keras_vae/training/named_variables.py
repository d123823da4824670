"""Names for the variables of a model that are the same in every process."""

from collections import Counter
from typing import Any

import keras

__all__ = ["named_variables"]


def named_variables(layer: keras.Layer) -> dict[str, Any]:
    """Returns the variables of a layer and of all layers within, by name.

    A name says where the variable is: `DenseEncoder_0/Dense_1/kernel` is the
    kernel of the second `Dense` of the first `DenseEncoder`. Keras's own paths
    count layers over the whole process, so that the same model has other ones
    when it is made again.

    Args:
        layer: Built, a model as well; what its metrics count is left out.
    """
    counted = {id(v) for metric in layer.metrics for v in metric.variables}
    return _named(layer, "", counted)


def _named(layer: keras.Layer, prefix: str, taken: set[int]) -> dict[str, Any]:
    """Names what is not in `taken`, a set of identities, and adds it there."""
    found: dict[str, Any] = {}
    kinds: Counter[str] = Counter()
    for child in layer._flatten_layers(include_self=False, recursive=False):
        kind = type(child).__name__
        found |= _named(child, f"{prefix}{kind}_{kinds[kind]}/", taken)
        kinds[kind] += 1
    names: Counter[str] = Counter()
    for variable in layer.variables:
        if id(variable) in taken:
            continue
        taken.add(id(variable))
        count = names[variable.name]
        names[variable.name] += 1
        suffix = f"_{count}" if count else ""
        found[f"{prefix}{variable.name}{suffix}"] = variable
    return found
