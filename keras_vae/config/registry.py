"""The parts of models by kind and name, with their settings.

A part is an implementing file and a frozen dataclass of its settings, which
`register` enters here. Flags, `config.json` and the documentation are made
from what is entered. Nothing here imports TensorFlow.
"""

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from keras_vae.config.settings import check_settings
from keras_vae.errors import UserError, did_you_mean

__all__ = [
    "KINDS",
    "BuildContext",
    "PartConfig",
    "build",
    "from_dict",
    "lookup",
    "part",
    "part_fields",
    "parts",
    "register",
]

KINDS = (
    "model",
    "architecture",
    "likelihood",
    "posterior",
    "prior",
    "objective",
)

_Builder = str | Callable[[Any, "BuildContext"], Any]
_PARTS: dict[str, dict[str, type["PartConfig"]]] = {kind: {} for kind in KINDS}
_BUILDERS: dict[type["PartConfig"], _Builder] = {}
_Class = TypeVar("_Class", bound=type)


@dataclasses.dataclass(frozen=True)
class PartConfig:
    """The settings of a part: the base of every class that is registered.

    The first line of a sub-class's docstring, and the help of its fields, are
    what `--help` and the documentation show.

    Attributes:
        kind: What it is a part of, one of `KINDS`; set by `register`.
        name: By which it is chosen; set by `register`.
        needs: What its model must have, in words: of a model, `has` lists
            them.
    """

    kind: ClassVar[str] = ""
    name: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        check_settings(self, self.prefix)
        self.check()

    @property
    def prefix(self) -> str:
        """What the names of its settings begin with, in flags and messages."""
        return "config." if self.kind == "model" else f"config.{self.kind}."

    def check(self) -> None:
        """Raises UserError for settings that exclude each other."""

    def to_dict(self) -> dict[str, Any]:
        """Returns the name and the settings; `from_dict` takes it back."""
        values = {
            f.name: getattr(self, f.name) for f in dataclasses.fields(self)
        }
        return {
            "name": self.name,
            **{
                key: value.to_dict() if isinstance(value, PartConfig) else value
                for key, value in values.items()
            },
        }

    def flat(self) -> dict[str, Any]:
        """Returns the settings by the names of their flags.

        That of a part is its name; its own settings follow it.

        Example:
            >>> VAEConfig().flat()["architecture"]
            'residual'
            >>> VAEConfig().flat()["architecture.activation"]
            'elu'
        """
        values: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, PartConfig):
                values[field.name] = value.name
                inner = value.flat().items()
                values |= {f"{field.name}.{key}": v for key, v in inner}
            else:
                values[field.name] = value
        return values


@dataclasses.dataclass(frozen=True)
class BuildContext:
    """What a part may know when it is built.

    Attributes:
        image_shape: (height, width, channels).
        latent_dim: Size of the latent vector; None where there is none.
        class_names: The classes that a conditional model is told.
        num_bits: Bits of each value of the images.
        dequantized_bits: The same where they are dequantized, else None.
        total_steps: Length of the run, a number or a `tf.Variable`.
        num_examples: Images in an epoch of training; None where unknown.
        seed: Base of noise.
        likelihood: The layer of p(x|z), when networks are built.
        posterior: The layer of q(z|x), when networks are built.
    """

    image_shape: tuple[int, int, int]
    latent_dim: int | None = None
    class_names: tuple[str, ...] = ()
    num_bits: int = 8
    dequantized_bits: int | None = None
    total_steps: Any = 1
    num_examples: int | None = None
    seed: int = 0
    likelihood: Any = None
    posterior: Any = None

    @property
    def num_classes(self) -> int:
        """The number of classes; 0 where the model is not conditional."""
        return len(self.class_names)


def register(
    kind: str, name: str, *, build: _Builder
) -> Callable[[_Class], _Class]:
    """Returns a decorator that enters a `PartConfig` under a name.

    Args:
        kind: One of `KINDS`.
        name: By which the part is chosen.
        build: Makes the part, `build(config, context)`: a function, or
            "module:function", which is imported when it is first needed.

    Raises:
        ValueError: If there is no such kind.
        TypeError: If the class is no frozen dataclass of settings with help.
        UserError: If the name is taken.

    Example:
        >>> @register("prior", "wide", build="my_priors:build_wide")
        ... @dataclasses.dataclass(frozen=True)
        ... class WidePriorConfig(PartConfig):
        ...     \"\"\"A Gaussian that is wider than N(0, I).\"\"\"
        ...
        ...     scale: float = setting(2.0, "Its scale.", low=0, strict=True)
    """
    if kind not in KINDS:
        raise ValueError(
            f"`kind` is unknown. {did_you_mean(kind, KINDS)} Received: {kind}"
        )

    def enter(cls: _Class) -> _Class:
        _check_class(cls)
        old = _PARTS[kind].get(name)
        if old is not None and _place(old) != _place(cls):
            raise UserError(
                f"A {kind} of this name exists already, in {_place(old)}: "
                f"choose another name. Received: {name!r} of {_place(cls)}"
            )
        cls.kind, cls.name = kind, name  # type: ignore[attr-defined]
        _PARTS[kind][name] = cls
        _BUILDERS[cls] = build
        return cls

    return enter


def _place(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _check_class(cls: type) -> None:
    params = vars(cls).get("__dataclass_params__")
    if not issubclass(cls, PartConfig) or params is None or not params.frozen:
        raise TypeError(
            "A part's settings must be a frozen dataclass of PartConfig: put "
            "@register above @dataclasses.dataclass(frozen=True). "
            f"Received: {_place(cls)}"
        )
    for field in dataclasses.fields(cls):
        if not field.metadata.get("help"):
            raise TypeError(
                "Every setting of a part must be made with `setting`, and have "
                f"its help. Received: {_place(cls)}.{field.name}"
            )


def part(default: str, help: str, **settings: Any) -> Any:
    """Returns a field of a model's settings that holds a part.

    The field's name is the kind. Its value is a `PartConfig` of that kind; a
    name; or a dict of settings, with `name` unless it is the default part.

    Args:
        default: Name of the part.
        help: What it is.
        **settings: What this model has in place of the defaults of whichever
            part has such a setting.
    """
    metadata = {"help": help, "part": True, "settings": settings}
    return dataclasses.field(default=default, metadata=metadata)


def part_fields(cls: Any) -> tuple[dataclasses.Field, ...]:
    """Returns the fields of a model's class that hold parts."""
    found = (f for f in dataclasses.fields(cls) if f.metadata.get("part"))
    return tuple(found)


def parts(kind: str) -> Mapping[str, type[PartConfig]]:
    """Returns name -> class of the settings, in the order of entry."""
    return _PARTS[kind]


def lookup(kind: str, name: Any) -> type[PartConfig]:
    """Returns the class of the settings of a part.

    Raises:
        UserError: If there is none of that name.
    """
    found = _PARTS[kind].get(name) if isinstance(name, str) else None
    if found is None:
        near = did_you_mean(str(name), _PARTS[kind])
        flag = "--model" if kind == "model" else f"--config.{kind}"
        raise UserError(
            f"Unknown {kind}. {near} One of your own comes with "
            f"--import=MODULE. Received: {flag}={name}"
        )
    return found


def from_dict(
    kind: str, values: Mapping[str, Any], defaults: Mapping[str, Any] = {}
) -> Any:
    """Returns the settings that `PartConfig.to_dict` described.

    Args:
        kind: One of `KINDS`.
        values: `name`, and settings by their names; those that are missing
            stand at their defaults.
        defaults: Values for these, if the part has such settings.

    Raises:
        UserError: If a part or a setting is unknown, or not possible.
    """
    name = values.get("name")
    cls = lookup(kind, name)
    known = [field.name for field in dataclasses.fields(cls)]
    settings = {k: v for k, v in defaults.items() if k in known}
    for key, value in values.items():
        if key == "name":
            continue
        if key not in known:
            raise UserError(
                f"The {kind} {name} has no such setting. "
                f"{did_you_mean(key, known)} Received: {key}={value}"
            )
        settings[key] = value
    return cls(**settings)


def build(config: PartConfig, context: BuildContext) -> Any:
    """Returns the part itself: a layer, an objective, networks, a model."""
    builder = _BUILDERS[type(config)]
    if isinstance(builder, str):
        module, _, function = builder.partition(":")
        builder = getattr(importlib.import_module(module), function)
    return builder(config, context)
