"""Tests of the documentation's page of parts."""

import dataclasses

import pytest

from keras_vae.config.registry import KINDS, parts
from tests import parts_page


def test_the_page_is_of_today():
    assert parts_page.PATH.read_text() == parts_page.page(), (
        "docs/parts.md is out of date: python -m tests.parts_page"
    )


def test_every_part_and_setting_is_on_it():
    text = parts_page.page()
    for kind in KINDS:
        for name, cls in parts(kind).items():
            assert f"| `{name}` | " in text
            for field in dataclasses.fields(cls):
                prefix = "" if kind == "model" else f"{kind}."
                assert f"| `{prefix}{field.name}` | " in text


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
