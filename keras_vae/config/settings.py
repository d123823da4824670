"""Settings: fields of a dataclass that carry their help and their bounds."""

import dataclasses
import functools
import math
import reprlib
import types
import typing
from collections.abc import Sequence
from typing import Any

from keras_vae.config.validation import (
    check_bool,
    check_choice,
    check_number,
    is_whole,
)
from keras_vae.errors import UserError

__all__ = ["changed", "check_scales", "check_settings", "setting", "type_of"]

_BOUNDS = ("low", "high", "below", "strict")


def setting(
    default: Any,
    help: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    below: float = math.inf,
    strict: bool = False,
    choices: Sequence[str] = (),
) -> Any:
    """Returns a field of a frozen dataclass of settings.

    Its type is that of the annotation: `bool`, `int` (whole numbers), `float`,
    `str`, `tuple[int, ...]`, or a union of these and None.

    Args:
        default: Its value unless another is given.
        help: What it is, with its unit: shown by `--help` and in the
            documentation.
        low: The least number; of a tuple, of each entry.
        high: The largest.
        below: What it must be below.
        strict: Whether it must be above `low`.
        choices: The texts that are possible; any unless given.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Settings:
        ...     scale: float = setting(1.0, "Of the noise.", low=0, strict=True)
    """
    metadata = {
        "help": help,
        "low": low,
        "high": high,
        "below": below,
        "strict": strict,
        "choices": tuple(choices),
    }
    return dataclasses.field(default=default, metadata=metadata)


def changed(cls: type, name: str, default: Any) -> Any:
    """Returns a setting of another dataclass with another default."""
    fields = {field.name: field for field in dataclasses.fields(cls)}
    metadata = fields[name].metadata
    return dataclasses.field(default=default, metadata=metadata)


def check_settings(settings: Any, prefix: str = "") -> None:
    """Checks each setting of a frozen dataclass; lists become tuples.

    Args:
        settings: An instance; fields that `setting` did not make are left.
        prefix: Goes before the names in messages.

    Raises:
        UserError: If a value is of another type, or out of bounds.
    """
    for field in dataclasses.fields(settings):
        if "low" not in field.metadata:
            continue
        value, name = getattr(settings, field.name), prefix + field.name
        options = type_of(type(settings), field.name)
        if isinstance(value, list):
            object.__setattr__(settings, field.name, value := tuple(value))
        _check(name, value, options, field.metadata)


def type_of(cls: type, name: str) -> tuple[Any, ...]:
    """Returns the types that a setting may have, one or several."""
    hint = _hints(cls)[name]
    union = isinstance(hint, types.UnionType)
    return typing.get_args(hint) if union else (hint,)


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _check(name: str, value: Any, options: Sequence[Any], rules: Any) -> None:
    if value is None and type(None) in options:
        return
    option = next((o for o in options if _fits(value, o)), options[0])
    bounds = {key: rules[key] for key in _BOUNDS}
    if typing.get_origin(option) is tuple:
        _check_sizes(name, value, option, bounds)
    elif option in (int, float):
        check_number(name, value, whole=option is int, **bounds)
    elif rules["choices"]:
        check_choice(name, value, rules["choices"])
    elif option is bool:
        check_bool(name, value)
    elif not _fits(value, option) or value == "":
        raise UserError(
            f"{name} must be a text, not an empty one. "
            f"Received: {name}={reprlib.repr(value)}"
        )


def _fits(value: Any, option: Any) -> bool:
    if option is int:
        return is_whole(value)
    return isinstance(value, typing.get_origin(option) or option)


def _check_sizes(
    name: str, value: Any, option: Any, bounds: dict[str, Any]
) -> None:
    entries = typing.get_args(option)
    count = None if Ellipsis in entries else len(entries)
    if (
        not isinstance(value, tuple)
        or not value
        or (count is not None and len(value) != count)
    ):
        raise UserError(
            f"{name} must be a list of {f'{count} ' if count else ''}numbers "
            f"such as (32,64). Received: {name}={reprlib.repr(value)}"
        )
    for number in value:
        check_number(name, number, whole=True, **bounds)


def check_scales(settings: Any, names: Sequence[str], prefix: str = "") -> None:
    """Raises UserError unless these settings have the same length.

    Args:
        settings: A dataclass.
        names: Of settings that are tuples, with an entry for each scale.
        prefix: As of `check_settings`.
    """
    values = [getattr(settings, name) for name in names]
    if len({len(value) for value in values}) > 1:
        words = " and ".join(f"{prefix}{name}" for name in names)
        raise UserError(
            f"{words} must have one entry for each scale. "
            f"Received: {' and '.join(map(str, values))}"
        )
