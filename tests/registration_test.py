"""Tests that Keras finds the classes of the package in time."""

import pathlib
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[1]


def _run(code: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=_ROOT
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_importing_the_package_imports_nothing_large():
    loaded = _run(
        "import sys, keras_vae\n"
        "large = {'keras', 'numpy', 'tensorflow'}\n"
        "print(sorted(large & sys.modules.keys()))"
    )
    assert loaded.strip() == "[]"


def test_a_class_is_imported_when_keras_asks_for_it():
    # `Muon` is not of `keras_vae.models`; what is nobody's stays unknown.
    found = _run(
        "import sys, keras_vae, keras\n"
        "find = keras.saving.get_registered_object\n"
        "print(find('other>VAE'), 'keras_vae.models' in sys.modules)\n"
        "print(find('keras_vae>VAE').__module__)\n"
        "print(find('keras_vae>Muon').__module__, find('keras_vae>No'))"
    )
    assert found.split() == [
        "None",
        "False",
        "keras_vae.models.vae",
        "keras_vae.training.optimizer",
        "None",
    ]


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
