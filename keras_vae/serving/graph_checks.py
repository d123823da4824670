"""Checks, in an export's graphs, of what it is asked and what it answers.

A server checks the dtypes of a request and little more; it hands on whatever
numbers and shapes it is sent. What a model cannot use is refused here, as
INVALID_ARGUMENT, wherever the export runs. An answer belongs to a whole run of
the graph, so that requests which a server has joined are refused together.

The checks hang on the data: TensorFlow drops assertions, which nothing takes
a value from, when it optimizes a loaded graph.
"""

import inspect
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from keras_vae.models import GenerativeModel

__all__ = ["checked"]

Function = Callable[..., dict[str, tf.Tensor]]


def checked(
    function: Function, specs: Sequence[tf.TensorSpec], model: GenerativeModel
) -> Function:
    """Returns a signature's function that checks its inputs and outputs.

    Args:
        function: Takes the inputs by name, gives the outputs by name.
        specs: Of the inputs, in the order of the function's parameters.
        model: Knows how many classes there are.

    Returns:
        A function of the same parameters. Run in a graph or eagerly it raises
        `InvalidArgumentError` where an input has another shape than its spec
        or another number of rows than the first one, an image is not in
        [0, 1], a number is not finite, a temperature is negative, a label is
        no class, or an output is not finite.
    """
    signature = inspect.signature(function)

    def endpoint(*args: tf.Tensor, **kwargs: tf.Tensor) -> dict[str, tf.Tensor]:
        inputs = signature.bind(*args, **kwargs).arguments
        rows = None
        for spec in specs:
            values = tf.ensure_shape(inputs[spec.name], spec.shape)
            # A single row would be broadcast to the others'. Strings, to which
            # nothing can be added, come first.
            if rows is None:
                rows = tf.shape(values)[0]
            else:
                same = tf.equal(tf.shape(values)[0], rows)
                message = "all inputs must have the same number of rows"
                values = _require(same, values, message)
            inputs[spec.name] = _usable(spec.name, values, model)
        outputs = function(**inputs)
        return {name: _finite(value) for name, value in outputs.items()}

    # TensorFlow names the inputs of the graph after the parameters.
    endpoint.__signature__ = signature  # type: ignore[attr-defined]
    return endpoint


def _usable(name: str, values: tf.Tensor, model: GenerativeModel) -> tf.Tensor:
    """Returns the values of an input, which are checked by its name."""
    if name == "image":
        valid = (values >= 0.0) & (values <= 1.0)
        return _require(valid, values, "image must be in [0, 1]")
    if name == "z":
        valid = tf.math.is_finite(values)
        return _require(valid, values, "z must be finite")
    if name == "temperature":
        valid = (values >= 0.0) & tf.math.is_finite(values)
        message = "temperature must be finite and at least 0"
        return _require(valid, values, message)
    if name == "label":
        # On GPUs TensorFlow itself does not check it.
        valid = (values >= 0) & (values < model.num_classes)
        message = f"label must be 0 ... {model.num_classes - 1}"
        return _require(valid, values, message)
    return values


def _require(valid: tf.Tensor, values: tf.Tensor, message: str) -> tf.Tensor:
    """Returns `values`, or raises where not all of `valid` are true."""
    marks = tf.where(valid, np.float32(0.0), np.float32(np.nan))
    zeros = tf.debugging.check_numerics(marks, message)
    return values + tf.cast(zeros, values.dtype)


def _finite(values: tf.Tensor) -> tf.Tensor:
    if not values.dtype.is_floating:
        return values
    return tf.debugging.check_numerics(
        values, "the answer overflows: z or temperature is too large"
    )
