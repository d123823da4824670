"""Tests of the checks of values."""

import math

import numpy as np
import pytest

from keras_vae.config import check_choice, check_number, differences
from keras_vae.errors import UserError

_NUMBERS = [
    (3, {"low": 3}, True),
    (2, {"low": 3}, False),
    (3, {"low": 3, "strict": True}, False),
    (3.5, {"low": 3, "strict": True}, True),
    (1, {"high": 1}, True),
    (1.5, {"high": 1}, False),
    (1, {"below": 1}, False),
    (0.999, {"below": 1}, True),
    (-5, {}, True),
    (2, {"whole": True}, True),
    (np.int64(2), {"whole": True}, True),
    (2.0, {"whole": True}, False),
    (True, {}, False),
    ("2", {}, False),
    (None, {}, False),
    (math.nan, {}, False),
    (math.inf, {}, False),
    (-math.inf, {}, False),
    (2**31, {"whole": True}, False),
    (2**31, {"whole": True, "high": 2**32 - 1}, True),
    (10**400, {}, False),
]


@pytest.mark.parametrize(("value", "rules", "possible"), _NUMBERS)
def test_numbers_are_within_their_bounds(value, rules, possible):
    if possible:
        check_number("a", value, **rules)
        return
    with pytest.raises(UserError, match=r"a must be a .* number.*Received: a="):
        check_number("a", value, **rules)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({}, "a finite number. Received: a=x"),
        ({"low": 1, "whole": True}, "a whole number at least 1. Received"),
        ({"low": 0, "strict": True}, "a finite number above 0. Received"),
        ({"low": 0, "high": 1}, "at least 0 and at most 1. Received"),
        ({"low": 0, "below": 1}, "at least 0 and below 1. Received"),
    ],
)
def test_messages_tell_the_bounds(rules, words):
    with pytest.raises(UserError) as caught:
        check_number("a", "x", **rules)
    assert words in str(caught.value)


def test_unknown_choice_says_what_is_near():
    with pytest.raises(UserError, match=r"Did you mean 'dense'\?.*a=dens$"):
        check_choice("a", "dens", ("dense", "residual"))
    check_choice("a", "dense", ("dense", "residual"))


def test_differences_are_named_with_their_path():
    old = {"a": {"x": 1, "y": (2, 3)}, "b": 1}
    new = {"a": {"x": 1, "y": (2, 4)}, "c": None, "b": 2}
    assert differences(old, new) == ["a.y: (2, 3) -> (2, 4)", "b: 1 -> 2"]
    assert differences(old, old) == []


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
