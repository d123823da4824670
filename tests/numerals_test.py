"""Tests of numbers as they are written."""

import pytest

from keras_vae.numerals import parse_whole


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("28", 28), ("007", 7), ("9" * 19, 10**19 - 1)],
)
def test_numbers(text, number):
    assert parse_whole(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "+1",
        "1.0",
        " 1",
        "a",
        "\u0663",
        "\u00b2",
        "9" * 20,
        "9" * 5000,
    ],
)
def test_what_are_none(text):
    assert parse_whole(text) is None


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
