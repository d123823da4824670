"""Tests of the bar that commands show."""

import io

import pytest

from keras_vae import progress
from keras_vae.progress import ImageBar


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def _shown(stream):
    with ImageBar(120, "scored", stream) as bar:
        bar.update(20)
        bar.reach(100)
        bar.reach(120)
    return stream.getvalue()


def test_bar_says_what_is_done_of_how_many(monkeypatch):
    monkeypatch.setattr(progress, "_DELAY", 0.0)
    *_, last = _shown(_Terminal()).split("\r")
    assert last.startswith("scored: 100%")
    assert "120/120" in last
    assert last.endswith("images/s]\n")


def test_quick_work_shows_nothing():
    assert _shown(_Terminal()) == ""


def test_file_gets_nothing(monkeypatch):
    monkeypatch.setattr(progress, "_DELAY", 0.0)
    assert _shown(io.StringIO()) == ""


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
