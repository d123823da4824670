"""Tests of what TensorFlow is told before it is imported."""

import json
import os
import subprocess
import sys

import pytest

from keras_vae.cli import environment

_VARIABLES = ("TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS", "GRPC_VERBOSITY")


@pytest.fixture(autouse=True)
def variables(monkeypatch):
    """Environment variables of the test's own."""
    monkeypatch.setattr("os.environ", {})
    return os.environ


@pytest.mark.parametrize("machine", ["x86_64", "AMD64"])
def test_x86_gets_onednn(monkeypatch, variables, machine):
    monkeypatch.setattr("platform.machine", lambda: machine)
    environment.prepare()
    assert variables["TF_ENABLE_ONEDNN_OPTS"] == "1"


def test_other_machines_keep_tensorflows_choice(monkeypatch, variables):
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    environment.prepare()
    assert "TF_ENABLE_ONEDNN_OPTS" not in variables


def test_what_the_user_sets_stands(monkeypatch, variables):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    variables.update(dict.fromkeys(_VARIABLES, "0"))
    environment.prepare()
    assert [variables[name] for name in _VARIABLES] == ["0", "0", "0"]


def test_it_does_not_import_tensorflow():
    code = (
        "import json, sys; from keras_vae.cli import environment; "
        "environment.prepare(); "
        "print(json.dumps([n for n in sys.modules if n == 'tensorflow']))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert json.loads(result.stdout) == []
