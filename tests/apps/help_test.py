"""Tests of `--help`: soon, and without TensorFlow."""

import os
import subprocess
import sys

import pytest

from keras_vae.config.flat_settings import flat_settings
from tests.apps import app

_LIMIT = 0.5  # Seconds of a processor.


def _seconds_of_children() -> float:
    times = os.times()
    return times.children_user + times.children_system


@pytest.mark.parametrize("name", app.APPS)
def test_help_answers_soon(name, tmp_path):
    seconds = []
    # The best of a few: another process may hold the machine up.
    for _ in range(3):
        start = _seconds_of_children()
        result = app.run(name, "--help", cwd=tmp_path)
        seconds.append(_seconds_of_children() - start)
        assert result.stderr == ""
        assert f"{name}.py:" in result.stdout
        if seconds[-1] < _LIMIT:
            break
    assert min(seconds) < _LIMIT


@pytest.mark.parametrize("name", app.APPS)
def test_help_imports_no_tensorflow(name, tmp_path):
    # With -X importtime Python names each module that it imports.
    _, path, *arguments = app.command(name, "--help")
    result = subprocess.run(
        [sys.executable, "-X", "importtime", path, *arguments],
        check=False,
        cwd=tmp_path,
        env=app.environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0]
        for line in result.stderr.splitlines()
    }
    assert {"absl", "keras_vae"} <= imported
    heavy = {"jax", "keras", "numpy", "tensorflow", "tensorflow_datasets"}
    assert not heavy & imported


def test_help_of_train_tells_every_setting_of_the_model(tmp_path):
    text = app.run("train", "--help", cwd=tmp_path).stdout
    for found in flat_settings("vae", {}):
        # That of a switch begins with --[no].
        assert f"config.{found.name}: {found.help.split()[0]}" in text
    assert "runs/<dataset>_<model>" in text


def test_help_of_a_model_has_its_defaults(tmp_path):
    text = app.run("train", "--model=autoencoder", "--help", cwd=tmp_path)
    assert "(default: 'convolutional')" in text.stdout


def test_help_whose_reader_has_gone_is_no_error(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        app.command("train", "--help"),
        check=False,
        cwd=tmp_path,
        env=app.environment(),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(writer)
    assert (result.returncode, result.stderr) == (0, "")


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
