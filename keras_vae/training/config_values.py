"""Values from JSON: of the types that a configuration has, or refused."""

import dataclasses
import reprlib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from keras_vae.errors import UserError, did_you_mean

__all__ = ["build", "class_names", "image_shape", "section"]

_Config = TypeVar("_Config")
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


def build(cls: type[_Config], name: str, values: Mapping[str, Any]) -> _Config:
    """Returns a dataclass of the values.

    Args:
        cls: The dataclass; values that are missing stand at its defaults.
        name: Of the values, for messages.
        values: Plain data of JSON, lists for tuples.

    Raises:
        UserError: If one is unknown, or of another type, or not possible.
    """
    hints = typing.get_type_hints(cls)
    converted = {}
    for key, value in values.items():
        if key not in hints:
            raise UserError(
                f"{name}.{_short(key)} is unknown: another version of the "
                f"package may have written it. {did_you_mean(key, hints)} "
                f"Received: {_short(value)}"
            )
        converted[key] = _typed(f"{name}.{key}", value, hints[key])
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if field.default is dataclasses.MISSING and field.name not in values:
            raise UserError(
                f"{name}.{field.name} is missing. Received: {_short(values)}"
            )
    return cls(**converted)


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
    value = config.get("class_names", []) if isinstance(config, dict) else None
    if not isinstance(value, list) or not all(
        isinstance(name, str) for name in value
    ):
        raise UserError(
            "class_names must be a list of names. "
            f"Received: class_names={_short(value)}"
        )
    return tuple(value)


def _typed(name: str, value: Any, hint: Any) -> Any:
    """Returns the value, tuples for lists, if it is of the type."""
    options = (hint,)
    if isinstance(hint, types.UnionType):
        options = typing.get_args(hint)
    for option in options:
        if option is type(None):
            fits = value is None
        elif typing.get_origin(option) is tuple:
            fits = isinstance(value, list) and all(
                type(entry) is int for entry in value
            )
        elif option is float:
            fits = type(value) in (int, float)
        else:
            fits = type(value) is option
        if fits:
            return tuple(value) if isinstance(value, list) else value
    words = " or ".join(
        "whole numbers" if typing.get_origin(o) is tuple else _WORDS[o]
        for o in options
    )
    raise UserError(f"{name} must be {words}. Received: {name}={_short(value)}")


_WORDS = {
    bool: "true or false",
    float: "a number",
    int: "a whole number",
    str: "a text",
    type(None): "null",
}


def _short(value: Any) -> str:
    return reprlib.repr(value)
