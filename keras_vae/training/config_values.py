"""Values from JSON, or why they are none of a configuration."""

import dataclasses
import reprlib
from collections.abc import Mapping
from typing import Any

from keras_vae.errors import UserError, did_you_mean

__all__ = ["build", "class_names", "image_shape", "imports", "section"]

_MAX_SIZE = 2**16
_MAX_VALUES = 2**31


def section(config: Any, name: str) -> dict[str, Any]:
    """Returns an object within an object.

    Raises:
        UserError: If there is none of that name.
    """
    if not isinstance(config, dict):
        raise UserError(f"It must be an object. Received: {_short(config)}")
    found = config.get(name)
    if not isinstance(found, dict):
        raise UserError(
            f"{name} must be an object. Received: {name}={_short(found)}"
        )
    return found


def build(
    cls: type[Any],
    name: str,
    values: Mapping[str, Any],
    *,
    complete: bool = False,
) -> Any:
    """Returns a dataclass of the values.

    Args:
        cls: The dataclass; values that are missing stand at its defaults.
        name: Of the values, for messages.
        values: Plain data of JSON, lists for tuples.
        complete: Whether none may be missing.

    Raises:
        UserError: If one is unknown, or of another type, or not possible, or
            missing where it must not be.
    """
    known = [field.name for field in dataclasses.fields(cls)]
    for key, value in values.items():
        if key not in known:
            raise UserError(
                f"{name}.{_short(key)} is unknown: another version of the "
                f"package may have written it. {did_you_mean(key, known)} "
                f"Received: {_short(value)}"
            )
    for field in dataclasses.fields(cls):
        needed = complete or field.default is dataclasses.MISSING
        if needed and field.name not in values:
            raise UserError(
                f"{name}.{field.name} is missing. Received: {_short(values)}"
            )
    return cls(**values)


def image_shape(config: Any) -> tuple[int, int, int]:
    """Returns (height, width, channels) in the configuration of a run.

    Raises:
        UserError: If it is none.
    """
    value = config.get("image_shape") if isinstance(config, dict) else None
    sizes = value if isinstance(value, list) else []
    whole = all(type(size) is int and 1 <= size < _MAX_SIZE for size in sizes)
    if len(sizes) != 3 or not whole:
        raise UserError(
            "image_shape must be height, width and channels. "
            f"Received: image_shape={_short(value)}"
        )
    height, width, channels = sizes
    if height * width * channels >= _MAX_VALUES:
        raise UserError(
            "image_shape is of more than 2^31 values. "
            f"Received: image_shape={_short(value)}"
        )
    return height, width, channels


def class_names(config: Any) -> tuple[str, ...]:
    """Returns the names of classes in the configuration of a run.

    Raises:
        UserError: If they are no names.
    """
    return _names(config, "class_names")


def imports(config: Any) -> tuple[str, ...]:
    """Returns the modules of the user's own parts.

    Raises:
        UserError: If they are no names.
    """
    return _names(config, "imports")


def _names(config: Any, key: str) -> tuple[str, ...]:
    value = config.get(key, []) if isinstance(config, dict) else None
    if not isinstance(value, list) or not all(
        isinstance(name, str) for name in value
    ):
        raise UserError(
            f"{key} must be a list of names. Received: {key}={_short(value)}"
        )
    return tuple(value)


def _short(value: Any) -> str:
    return reprlib.repr(value)
