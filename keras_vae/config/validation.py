"""Checks of values, with messages for people."""

import math
import numbers
import reprlib
from collections.abc import Sequence
from typing import Any

from keras_vae.errors import UserError, did_you_mean, shown

__all__ = [
    "check_bool",
    "check_choice",
    "check_number",
    "differences",
    "is_whole",
]

# What TensorFlow's shapes and counters hold, and what float32 does.
_MAX_WHOLE = 2**31 - 1
_MAX_FLOAT = (2 - 2**-23) * 2.0**127
_MIN_FLOAT = 2.0**-126


def check_bool(name: str, value: Any) -> None:
    """Raises UserError unless `value` is true or false: "no" is neither."""
    if not isinstance(value, bool):
        raise UserError(
            f"{name} must be true or false. "
            f"Received: {name}={reprlib.repr(value)}"
        )


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Raises UserError unless `value` is one of `choices`."""
    if value not in choices:
        raise UserError(
            f"Unknown {name}. {did_you_mean(str(value), choices)} "
            f"Received: {name}={value}"
        )


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number, Python's or NumPy's, and no bool."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def check_number(
    name: str,
    value: Any,
    low: float = -math.inf,
    *,
    strict: bool = False,
    whole: bool = False,
    high: float = math.inf,
    below: float = math.inf,
) -> None:
    """Raises UserError unless a value is a number within bounds.

    Those that are not whole are computed with in float32: they must be of a
    size that it holds, or 0.

    Args:
        name: Of the value, for the message.
        value: What was received.
        low: The least value.
        strict: Whether it must be above that.
        whole: Whether it must be a whole number.
        high: The largest value.
        below: What it must be below.
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    largest = _MAX_WHOLE if whole else _MAX_FLOAT
    vanishes = not whole and is_number and 0 < abs(value) < _MIN_FLOAT
    most = high if high < math.inf else largest
    if (
        (is_whole(value) if whole else is_number)
        and max(low, -largest) <= value <= most
        and value < below
        and not (strict and value == low)
        and not vanishes
    ):
        return
    text = "d" if whole else "g"
    bounds = []
    if low > -math.inf:
        bounds.append(f"{'above' if strict else 'at least'} {low:{text}}")
    if below < math.inf:
        bounds.append(f"below {below:{text}}")
    elif high < math.inf:
        bounds.append(f"at most {high:{text}}")
    elif is_number and value > largest:
        bounds.append(f"at most {largest:{text}}")
    if vanishes:
        bounds = [f"0 or at least {_MIN_FLOAT:g} in size"]
    kind = "whole" if whole else "finite"
    words = " and ".join(bounds)
    raise UserError(
        f"{name} must be a {kind} number{f' {words}' if words else ''}. "
        f"Received: {name}={shown(value)}"
    )


def differences(
    old: dict[str, Any], new: dict[str, Any], prefix: str = ""
) -> list[str]:
    """Returns "name: old -> new" for each entry of two nested dicts."""
    lines = []
    for key in sorted(old.keys() | new.keys()):
        a, b = old.get(key), new.get(key)
        name = f"{prefix}{key}"
        if isinstance(a, dict) and isinstance(b, dict):
            lines += differences(a, b, f"{name}.")
        elif a != b:
            lines.append(f"{name}: {a} -> {b}")
    return lines
