"""From unconstrained network outputs to the parameters of a distribution."""

import math
import operator
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_vae.errors import UserError

__all__ = [
    "arrange",
    "as_float32",
    "as_positive_int",
    "as_shape",
    "to_positive",
]


def as_float32(dtype: Any) -> Any:
    """Returns the dtype policy of a layer that gives log-probabilities.

    Args:
        dtype: What the layer was given; None is float32.

    Raises:
        UserError: If it is another one.
    """
    policy = keras.dtype_policies.get(dtype or "float32")
    if policy.compute_dtype != "float32":
        raise UserError(
            "`dtype` of a distribution layer must be 'float32': a "
            "log-probability in less is wrong. Leave the argument out. "
            f"Received: {policy.name!r}"
        )
    return policy


def as_positive_int(value: object, name: str) -> int:
    """Returns `value` as an int of 1 or more.

    Args:
        value: A whole number of any integer type.
        name: Name of the argument, for the error.

    Raises:
        UserError: If `value` is not a whole number of 1 or more.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = 0
    if number < 1 or isinstance(value, bool):
        raise UserError(
            f"`{name}` must be a whole number of 1 or more. Received: {value!r}"
        )
    return number


def as_shape(
    event_shape: int | Sequence[int], name: str = "event_shape"
) -> tuple[int, ...]:
    """Returns `event_shape` as a tuple of ints of 1 or more.

    Args:
        event_shape: A size, or a sequence of sizes, none of them unknown.
        name: Name of the argument, for the error.

    Raises:
        UserError: If a size is unknown or not positive, or there is none.
    """
    sizes = (
        tuple(event_shape)
        if isinstance(event_shape, Sequence)
        and not isinstance(event_shape, str)
        else (event_shape,)
    )
    if not sizes:
        raise UserError(
            f"`{name}` must have at least one dimension: use 1 for a "
            f"single number. Received: {event_shape!r}"
        )
    return tuple(as_positive_int(size, name) for size in sizes)


def to_positive(raw: tf.Tensor, at_zero: float, floor: float) -> tf.Tensor:
    """Maps any real number to one above `floor`, and 0 to `at_zero`.

        f(raw) = floor + softplus(raw + c),  f(0) = at_zero

    Softplus grows linearly, so that, unlike exp, it overflows for no finite
    input; the floor keeps log f(raw) finite where softplus underflows (below
    about -104 in float32).

    Args:
        raw: Real numbers of any shape.
        at_zero: The value for 0. Must be above `floor`.
        floor: The lower bound, 0 or more.

    Returns:
        A tensor of the shape of `raw`.
    """
    rise = at_zero - floor
    offset = rise + math.log(-math.expm1(-rise))  # Inverse of softplus.
    return floor + tf.math.softplus(raw + offset)


def arrange(params: tf.Tensor, shape: tuple[int, ...], name: str) -> tf.Tensor:
    """Gives `params` the trailing dimensions `shape`.

    The last axis decides, whatever the number of leading axes: if it is
    `shape[-1]`, then `params` must end in `shape` and is returned as it is; if
    it is the product of `shape`, then it is split into `shape` in row-major
    order. Where the two coincide (`shape` is 1 but for its last axis), only
    the first form is accepted: [2, 1, 1, 6] could else mean two things.

    Args:
        params: [..., *shape] or [..., prod(shape)].
        shape: The wanted trailing dimensions.
        name: Name of the layer, for the error.

    Returns:
        [..., *shape]

    Raises:
        UserError: If `params` has neither form.
    """
    static = params.shape
    rank = len(shape)
    size = math.prod(shape)
    if static.rank:
        last = static[-1]
        if last == shape[-1]:
            if static.rank >= rank and static[-rank:].is_compatible_with(shape):
                return params
        elif last == size:
            return _split_last_axis(params, shape)
    forms = f"[..., {', '.join(map(str, shape))}]"
    if size != shape[-1]:
        forms += f" or [..., {size}]"
    raise UserError(
        f"`params` of {name} must have the shape {forms}: give the network's "
        f"last layer that many outputs. Received: shape {static}"
    )


def _split_last_axis(params: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    leading = params.shape[:-1].as_list()
    if leading.count(None) <= 1:
        leading = [-1 if size is None else size for size in leading]
        return tf.reshape(params, [*leading, *shape])
    return tf.reshape(params, tf.concat([tf.shape(params)[:-1], shape], axis=0))
