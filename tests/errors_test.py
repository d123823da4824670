"""Tests of the errors for the person at the command line."""

import subprocess
import sys

import pytest

from keras_vae.errors import UserError, did_you_mean


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


@pytest.mark.parametrize("module", ["errors", "config"])
def test_import_does_not_load_tensorflow(module):
    code = (
        f"import sys, keras_vae.{module}; "
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
