"""Checks of settings, with messages for people."""

import math
import numbers
import sys
from typing import Any

from keras_vae.errors import UserError, did_you_mean

__all__ = ["check_choice", "check_number", "differences", "is_whole"]

_MAX_WHOLE = 2**31 - 1


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
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
    low: float,
    *,
    strict: bool = False,
    whole: bool = False,
    high: float = math.inf,
) -> None:
    """Raises UserError unless low <= value <= high (low < value if strict)."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    # What TensorFlow's shapes and counters hold, and what a float does.
    largest = _MAX_WHOLE if whole else sys.float_info.max
    if (
        not (is_whole(value) if whole else is_number)
        or not low <= value <= min(high, largest)
        or (strict and value == low)
    ):
        kind = "whole" if whole else "finite"
        bound = f"above {low:g}" if strict else f"at least {low:g}"
        if high < math.inf:
            bound += f" and at most {high:g}"
        elif is_number and value > largest:
            bound += f" and at most {largest:g}"
        raise UserError(
            f"{name} must be a {kind} number {bound}. Received: {name}={value}"
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
