"""Tests of notes and of how things are counted in them."""

import pytest

from keras_vae.notes import counted, first_names, note


def test_a_note_is_said_once(capsys):
    for text in ("one", "two", "one", "one"):
        note(text)
    assert capsys.readouterr().err == "note: one\nnote: two\n"


@pytest.mark.parametrize(
    ("count", "names", "text"),
    [
        (0, ("image",), "0 images"),
        (1, ("image",), "1 image"),
        (1234, ("image",), "1,234 images"),
        (1, ("class", "classes"), "1 class"),
        (2, ("class", "classes"), "2 classes"),
    ],
)
def test_one_is_no_plural(count, names, text):
    assert counted(count, *names) == text


def test_first_names_are_shown():
    assert first_names(["a", "b", "c"]) == "a, b, c"
    assert first_names(["a", "b\n", "c", "d"]) == "a, b\\n, c, ..."


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
