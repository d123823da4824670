"""Checks of single settings: counts, ports, seeds, temperatures."""

import numbers
import operator
from typing import Any

import numpy as np

from keras_vae.errors import UserError, shown

__all__ = ["check_temperature", "whole_number"]

_LARGEST = float(np.finfo(np.float32).max)


def whole_number(name: str, value: Any, low: int, high: int | None) -> int:
    """Returns a whole number: neither 2.5 is one here, nor True.

    Args:
        name: What it is called.
        value: An int, or NumPy's.
        low: The least that it may be.
        high: The most; None for any.

    Raises:
        UserError: If it is something else.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < low or (high is not None and number > high):
        limits = f"at least {low}" if high is None else f"{low} ... {high}"
        raise UserError(
            f"{name} must be {limits}, a whole number. "
            f"Received: {name}={shown(value, repr)}"
        )
    return number


def check_temperature(value: Any) -> float:
    """Returns a temperature, which a float32 must hold.

    Raises:
        UserError: If it is no finite number of at least 0.
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= _LARGEST:
        raise UserError(
            "temperature must be a finite number of at least 0. "
            f"Received: temperature={shown(value, repr)}"
        )
    return float(value)
