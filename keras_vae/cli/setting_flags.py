"""Flags that are made from settings, and settings from flags."""

import dataclasses
import os
import sys
import typing
from collections.abc import Sequence
from typing import Any, TypeVar

from absl import flags

from keras_vae.cli import environment
from keras_vae.config.flat_settings import explain, flat_settings, from_flat
from keras_vae.config.plugins import import_parts
from keras_vae.config.registry import lookup, part_fields, parts
from keras_vae.config.settings import type_of
from keras_vae.errors import UserError
from keras_vae.numerals import parse_whole

__all__ = [
    "define_model_flags",
    "define_settings",
    "explain_flag",
    "import_flagged_parts",
    "model_config",
    "settings",
]

_Settings = TypeVar("_Settings")
_PREFIX = "config."


def import_flagged_parts() -> None:
    """Defines `--import`, and imports the modules that it names.

    They lie in the current folder, or are installed.

    Raises:
        UserError: If one is none, or fails.
    """
    if "import" in flags.FLAGS:
        return
    flags.DEFINE_multi_string(
        "import",
        [],
        "A Python module that registers parts of your own; may be given "
        "several times",
    )
    _show("import")
    # `python apps/train.py` looks for modules in apps/.
    sys.path.append(os.getcwd())
    import_parts(_early_values("import"), first=environment.load_tensorflow)


def define_settings(cls: type, leave: Sequence[str] = ()) -> None:
    """Defines a flag for each setting of a dataclass.

    Args:
        cls: The dataclass; `settings` makes one of the flags.
        leave: Settings without a flag.
    """
    for field in dataclasses.fields(cls):
        if field.name not in leave:
            types = type_of(cls, field.name)
            help = field.metadata["help"]
            _define(field.name, field.default, types, help)


def settings(cls: type[_Settings], leave: Sequence[str] = ()) -> _Settings:
    """Returns a dataclass of settings, as the flags give them.

    Args:
        cls: As of `define_settings`.
        leave: Settings that stand at their defaults.

    Raises:
        UserError: If a value is not possible.
    """
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    return cls(
        **{
            field.name: _value(field.name, type_of(cls, field.name))
            for field in fields
            if field.name not in leave
        }
    )


def define_model_flags() -> None:
    """Defines `--model`, and `--config.NAME` for each of its settings.

    Raises:
        UserError: If the model, a part of it or its preset is unknown.
    """
    import_flagged_parts()
    names = ", ".join(parts("model"))
    flags.DEFINE_string("model", "vae", f"The model: {names}.")
    _show("model")
    for found in flat_settings(*_early_choice()):
        _define(_PREFIX + found.name, found.default, found.types, found.help)


def model_config() -> Any:
    """Returns the model's configuration, as the flags give it.

    Raises:
        UserError: If a value is not possible.
    """
    return from_flat(
        flags.FLAGS.model,
        {
            found.name: _value(_PREFIX + found.name, found.types)
            for found in flat_settings(*_early_choice())
        },
    )


def explain_flag(error: flags.UnrecognizedFlagError) -> str:
    """Returns what to do about an unknown flag, "" unless it is `config.`."""
    name = error.flagname.removeprefix("no")
    if not name.startswith(_PREFIX) or "model" not in flags.FLAGS:
        return ""
    model, chosen, _ = _early_choice()
    why = explain(model, chosen, name.removeprefix(_PREFIX))
    received = error.flagvalue or f"--{error.flagname}"
    return f"Unknown flag --{error.flagname}. {why} Received: {received}"


def _early_choice() -> tuple[str, dict[str, str], str]:
    """Returns the model, its parts by kind, and its preset."""
    model = _early_value("model", "vae")
    cls = lookup("model", model)
    chosen = {
        field.name: _early_value(_PREFIX + field.name, str(field.default))
        for field in part_fields(cls)
    }
    is_setting = "preset" in {field.name for field in dataclasses.fields(cls)}
    preset = _early_value(f"{_PREFIX}preset", "") if is_setting else ""
    return model, chosen, preset


def _early_value(name: str, default: str) -> str:
    values = _early_values(name)
    return values[-1] if values else default


def _early_values(name: str) -> list[str]:
    """Returns what is given for a flag, before the flags are parsed.

    Which settings have flags depends on the model and on its parts.
    """
    values = []
    arguments = sys.argv[1:]
    for index, argument in enumerate(arguments):
        flag, equals, text = argument.partition("=")
        if flag in (f"--{name}", f"-{name}"):
            if equals:
                values.append(text)
            elif index + 1 < len(arguments):
                values.append(arguments[index + 1])
    return values


def _define(name: str, default: Any, types: Sequence[Any], help: str) -> None:
    define: Any = {
        bool: flags.DEFINE_boolean,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
    }.get(types[0] if _is_single(types) else str, flags.DEFINE_string)
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    define(name, default, help)
    _show(name)


def _is_single(types: Sequence[Any]) -> bool:
    return len([option for option in types if option is not type(None)]) == 1


def _show(name: str) -> None:
    """Has --help show a flag as those that the app itself defines."""
    flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])


def _value(name: str, types: Sequence[Any]) -> Any:
    value = flags.FLAGS[name].value
    if isinstance(value, str) and typing.get_origin(types[0]) is tuple:
        return _sizes(name, value)
    return value


def _sizes(name: str, text: str) -> tuple[int, ...]:
    entries = text.strip("()[] ").split(",")
    numbers = [parse_whole(entry.strip()) for entry in entries]
    sizes = tuple(number for number in numbers if number is not None)
    if len(sizes) < len(numbers):
        raise UserError(
            f"{name} must be whole numbers with commas between them, such as "
            f"--{name}=32,64. Received: {text}"
        )
    return sizes
