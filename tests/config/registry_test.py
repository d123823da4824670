"""Tests of the registry of parts."""

import dataclasses
import inspect

import pytest

from keras_vae.config import registry
from keras_vae.config.likelihood_configs import SUPPORTS
from keras_vae.config.registry import (
    KINDS,
    BuildContext,
    PartConfig,
    build,
    from_dict,
    lookup,
    part_fields,
    parts,
    register,
)
from keras_vae.config.settings import setting
from keras_vae.errors import UserError

_ALL = [(kind, name) for kind in KINDS for name in parts(kind)]


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    """Forgets what a test registers."""
    copies = {kind: dict(found) for kind, found in registry._PARTS.items()}
    monkeypatch.setattr(registry, "_PARTS", copies)


@dataclasses.dataclass(frozen=True)
class _Wide(PartConfig):
    """Wider."""

    scale: float = setting(2.0, "Its scale.", low=0, strict=True)


def named(config, context):
    """A builder that is found by its name."""
    return config.scale, context.latent_dim


def test_every_kind_has_a_part():
    assert all(parts(kind) for kind in KINDS)


@pytest.mark.parametrize(("kind", "name"), _ALL)
def test_every_part_says_what_it_is(kind, name):
    cls = parts(kind)[name]
    assert (cls.kind, cls.name) == (kind, name)
    first, _, rest = inspect.cleandoc(cls.__doc__).partition("\n")
    assert first.endswith(".") and (not rest or rest.startswith("\n"))
    for field in dataclasses.fields(cls):
        assert field.metadata["help"].endswith(".")
    if kind == "likelihood":
        assert cls.support in SUPPORTS


@pytest.mark.parametrize(("kind", "name"), _ALL)
def test_every_part_survives_its_dict(kind, name):
    config = parts(kind)[name]()
    assert from_dict(kind, config.to_dict()) == config


@pytest.mark.parametrize("name", parts("model"))
def test_every_default_part_of_a_model_is_one(name):
    config = parts("model")[name]()
    for field in part_fields(config):
        assert getattr(config, field.name).kind == field.name


@pytest.mark.parametrize("builder", [named, f"{__name__}:named"])
def test_a_part_is_found_and_built_by_its_name(builder):
    register("prior", "wide", build=builder)(_Wide)
    assert lookup("prior", "wide") is _Wide
    config = from_dict("prior", {"name": "wide", "scale": 3.0})
    assert config == _Wide(3.0)
    assert config.to_dict() == {"name": "wide", "scale": 3.0}
    context = BuildContext((4, 4, 1), latent_dim=5)
    assert build(config, context) == (3.0, 5)


def test_values_are_checked_under_their_flags_name():
    register("prior", "wide", build=named)(_Wide)
    with pytest.raises(UserError, match=r"config\.prior\.scale must.*above 0"):
        from_dict("prior", {"name": "wide", "scale": 0})


def test_unknown_names_tell_the_nearest():
    with pytest.raises(UserError, match=r"Did you mean 'dense'\?.*=dens$"):
        lookup("architecture", "dens")
    with pytest.raises(UserError, match=r"Unknown model.*--model=3"):
        lookup("model", 3)
    values = {"name": "dense", "hidden_unit": (4,)}
    with pytest.raises(UserError, match=r"Did you mean 'hidden_units'"):
        from_dict("architecture", values)


def test_a_name_is_taken_once():
    taken = register("prior", "standard_normal", build=named)
    with pytest.raises(UserError, match=r"exists already, in keras_vae"):
        taken(_Wide)
    # A module may be loaded again.
    register("prior", "wide", build=named)(_Wide)
    register("prior", "wide", build=named)(_Wide)


def test_kinds_are_known():
    with pytest.raises(ValueError, match=r"Did you mean 'prior'"):
        register("priors", "wide", build=named)


class _NoDataclass(PartConfig):
    """None of its own."""


@dataclasses.dataclass(frozen=True)
class _NoHelp(PartConfig):
    """Says nothing of its setting."""

    scale: float = 2.0


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (_NoDataclass, "_NoDataclass"),
        (_NoHelp, r"_NoHelp\.scale"),
        (int, "int"),
    ],
)
def test_only_dataclasses_of_settings_with_help_are_parts(cls, words):
    with pytest.raises(TypeError, match=rf"Received: .*{words}"):
        register("prior", "wide", build=named)(cls)
    assert "wide" not in parts("prior")


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
