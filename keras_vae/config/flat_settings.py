"""The settings of a model in a row, as its flags name them.

`config.objective.beta` is the setting `beta` of the part `objective`.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from keras_vae.config.migration import MOVED
from keras_vae.config.registry import (
    from_dict,
    lookup,
    part_fields,
    parts,
)
from keras_vae.config.settings import type_of
from keras_vae.errors import did_you_mean

__all__ = ["FlatSetting", "explain", "flat_settings", "from_flat"]


@dataclasses.dataclass(frozen=True)
class FlatSetting:
    """A setting of a model or of one of its parts.

    Attributes:
        name: As `batch_size`, `objective` (the name of the part itself) or
            `objective.beta`.
        default: Its value for this model and these parts.
        types: Those that its value may have.
        help: What it is.
    """

    name: str
    default: Any
    types: tuple[Any, ...]
    help: str


def flat_settings(
    model: str, chosen: Mapping[str, str], preset: str = ""
) -> Iterator[FlatSetting]:
    """Yields the settings of a model, and of the parts that are chosen.

    Args:
        model: Name of the model.
        chosen: Kind -> name of a part; the model's default where it is
            missing.
        preset: Name of the preset to start from, if any.

    Raises:
        UserError: If a name is unknown.
    """
    cls: Any = lookup("model", model)
    start = cls.preset_settings(preset) if preset else {}
    for field in dataclasses.fields(cls):
        default = start.get(field.name, field.default)
        if field in part_fields(cls):
            name = chosen.get(field.name, default)
            yield from _of_part(cls, field, name)
        else:
            types = type_of(cls, field.name)
            yield FlatSetting(
                field.name, default, types, field.metadata["help"]
            )


def _of_part(
    model: Any, field: dataclasses.Field, name: str
) -> Iterator[FlatSetting]:
    kind = field.name
    cls = lookup(kind, name)
    fitting = [
        n for n, found in parts(kind).items() if not model.missing(found)
    ]
    help = f"{field.metadata['help']} One of {', '.join(fitting)}."
    yield FlatSetting(kind, name, (str,), help)
    for inner in dataclasses.fields(cls):
        default = field.metadata["settings"].get(inner.name, inner.default)
        yield FlatSetting(
            f"{kind}.{inner.name}",
            default,
            type_of(cls, inner.name),
            inner.metadata["help"],
        )


def from_flat(model: str, values: Mapping[str, Any]) -> Any:
    """Returns the configuration of a model.

    Args:
        model: Name of the model.
        values: Settings by the names of `flat_settings`.

    Raises:
        UserError: If one is unknown or not possible.
    """
    nested: dict[str, Any] = {"name": model}
    kinds = {field.name for field in part_fields(lookup("model", model))}
    for name, value in values.items():
        kind, dot, inner = name.partition(".")
        if kind in kinds:
            nested.setdefault(kind, {})[inner if dot else "name"] = value
        else:
            nested[name] = value
    return from_dict("model", nested)


def explain(model: str, chosen: Mapping[str, str], name: str) -> str:
    """Returns why there is no such setting, and what to do.

    Args:
        model: Name of the model.
        chosen: Kind -> name of each of its parts.
        name: What was taken for a setting, without `config.`.
    """
    kind, dot, inner = name.partition(".")
    if dot and kind in chosen:
        return _explain_inner(kind, chosen[kind], inner)
    if dot:
        return (
            f"The model {model} has no choice of {kind}: its parts are "
            f"{', '.join(chosen)}."
        )
    for kind in chosen:
        moved = MOVED.get(name, f"{kind}.{name}")
        inner = moved.removeprefix(f"{kind}.")
        if moved != inner and _having(kind, inner):
            if inner in _names(kind, chosen[kind]):
                return f"It is a setting of the {kind}: --config.{moved}."
            return (
                f"It is a setting of the {kind}: --config.{moved}. "
                f"{_explain_inner(kind, chosen[kind], inner)}"
            )
    known = [found.name for found in flat_settings(model, chosen)]
    return f"There is no such setting. {did_you_mean(name, known)}"


def _explain_inner(kind: str, name: str, inner: str) -> str:
    others = _having(kind, inner)
    if others:
        return (
            f"The {kind} is {name}; {inner} is a setting of "
            f"{', '.join(others)}: add --config.{kind}={others[0]}, or leave "
            "it out."
        )
    known = _names(kind, name)
    if not known:
        return f"The {kind} {name} has no settings."
    return f"The {kind} {name} has no such setting. " + did_you_mean(
        inner, known
    )


def _names(kind: str, name: str) -> list[str]:
    return [field.name for field in dataclasses.fields(lookup(kind, name))]


def _having(kind: str, inner: str) -> list[str]:
    """Returns the parts of a kind that have a setting."""
    return [name for name in parts(kind) if inner in _names(kind, name)]
