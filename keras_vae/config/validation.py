"""Checks of values, with messages for people."""

import math
import numbers
import sys
from collections.abc import Sequence
from typing import Any

from keras_vae.errors import UserError, did_you_mean

__all__ = ["check_choice", "check_number", "differences", "is_whole"]

_MAX_WHOLE = 2**31 - 1


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
    # What TensorFlow's shapes and counters hold, and what a float does.
    largest = _MAX_WHOLE if whole else sys.float_info.max
    most = high if high < math.inf else largest
    if (
        (is_whole(value) if whole else is_number)
        and max(low, -largest) <= value <= most
        and value < below
        and not (strict and value == low)
    ):
        return
    bounds = []
    if low > -math.inf:
        bounds.append(f"{'above' if strict else 'at least'} {low:g}")
    if below < math.inf:
        bounds.append(f"below {below:g}")
    elif high < math.inf:
        bounds.append(f"at most {high:g}")
    elif is_number and value > largest:
        bounds.append(f"at most {largest:g}")
    kind = "whole" if whole else "finite"
    words = " and ".join(bounds)
    raise UserError(
        f"{name} must be a {kind} number{f' {words}' if words else ''}. "
        f"Received: {name}={value}"
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
