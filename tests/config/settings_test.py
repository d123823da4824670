"""Tests of settings that carry their help and their bounds."""

import dataclasses
import typing

import pytest

from keras_vae.config.settings import (
    changed,
    check_scales,
    check_settings,
    setting,
    type_of,
)
from keras_vae.errors import UserError


@dataclasses.dataclass(frozen=True)
class _Settings:
    size: int = setting(3, "A size.", low=1)
    share: float = setting(0.5, "A share.", low=0, below=1)
    minutes: float | None = setting(None, "Some.", low=0, strict=True)
    name: str = setting("elu", "A name.")
    way: str = setting("up", "A way.", choices=("up", "down"))
    on: bool = setting(False, "Whether.")
    widths: tuple[int, ...] = setting((4, 5), "Widths.", low=1)
    pair: tuple[int, int] | None = setting(None, "Two.", low=1)
    count: int | str = setting("0", "A count, or auto.")
    other: object = dataclasses.field(default=None)

    def __post_init__(self):
        check_settings(self, "my.")


def test_what_is_possible_is_kept():
    values = {
        "size": 1,
        "share": 0,
        "minutes": 0.5,
        "name": "relu",
        "way": "down",
        "on": True,
        "widths": (1,),
        "pair": (1, 2),
        "count": 7,
        "other": "anything",
    }
    settings = _Settings(**values)
    assert {k: getattr(settings, k) for k in values} == values
    assert _Settings(minutes=None, pair=None, count="auto").count == "auto"


def test_lists_become_tuples():
    settings = _Settings(widths=[4, 5], pair=[1, 2])
    assert (settings.widths, settings.pair) == ((4, 5), (1, 2))
    assert hash(settings) == hash(_Settings(widths=(4, 5), pair=(1, 2)))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("size", 0, "a whole number at least 1"),
        ("size", 1.0, "a whole number"),
        ("size", True, "a whole number"),
        ("size", None, "a whole number"),
        ("share", 1, "at least 0 and below 1"),
        ("share", "0.5", "a finite number"),
        ("minutes", 0, "above 0"),
        ("name", 3, "a text"),
        ("name", "", "a text"),
        ("way", "dwn", "Did you mean 'down'"),
        ("way", None, "Known: down, up"),
        ("on", 1, "true or false"),
        ("on", "true", "true or false"),
        ("widths", (), "a list of numbers"),
        ("widths", 512, "a list of numbers"),
        ("widths", "12", "a list of numbers"),
        ("widths", (1, 0), "at least 1"),
        ("widths", (1.5,), "a whole number"),
        ("pair", (1,), "a list of 2 numbers"),
        ("pair", (1, 2, 3), "a list of 2 numbers"),
        ("pair", (0, 2), "at least 1"),
        ("count", 1.5, "a whole number"),
    ],
)
def test_what_is_not_possible_is_named(name, value, words):
    with pytest.raises(UserError) as caught:
        _Settings(**{name: value})
    assert words in str(caught.value)
    assert f"my.{name}" in str(caught.value)
    assert f"Received: my.{name}=" in str(caught.value)


def test_a_setting_tells_its_types():
    assert type_of(_Settings, "size") == (int,)
    assert type_of(_Settings, "minutes") == (float, type(None))
    (widths,) = type_of(_Settings, "widths")
    assert typing.get_origin(widths) is tuple


def test_another_default_keeps_the_rest():
    @dataclasses.dataclass(frozen=True)
    class Other(_Settings):
        size: int = changed(_Settings, "size", 8)

    assert Other().size == 8
    (field,) = (f for f in dataclasses.fields(Other) if f.name == "size")
    assert field.metadata["help"] == "A size."
    with pytest.raises(UserError, match="at least 1"):
        Other(size=0)


def test_scales_must_agree():
    settings = _Settings(widths=(1, 2), pair=(3, 4))
    check_scales(settings, ("widths", "pair"))
    with pytest.raises(UserError, match=r"my.widths and my.pair must have one"):
        check_scales(
            _Settings(pair=(1, 2), widths=(1,)), ("widths", "pair"), "my."
        )


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
