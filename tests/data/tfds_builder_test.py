"""Tests of finding and preparing datasets of TFDS."""

import shutil
import subprocess
import sys
import time

import pytest

from keras_vae.config.data_config import DataConfig
from keras_vae.data.tfds_builder import (
    find_builder,
    prepare,
    prepared_builder,
)
from keras_vae.errors import UserError
from tests import testdata

ARCHIVES = (
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
)


def _prepare(name, data_dir, manual_dir=None):
    return prepared_builder(
        DataConfig(name, data_dir=str(data_dir), manual_dir=manual_dir)
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mnits", "Did you mean 'mnist'"),
        ("mnist5k", "Did you mean .*'mnist_5k'"),
        ("image_foldr", "Did you mean 'image_folder'"),
        ("qqqqqqqqqq", "tensorflow.org/datasets/catalog"),
    ],
)
def test_unknown_name_gets_a_hint(tmp_path, name, hint):
    with pytest.raises(UserError, match=f"{hint}.*Received: dataset='{name}'"):
        _prepare(name, tmp_path)


@pytest.mark.parametrize("name", ["mnist:9.9.9", "mnist/nothing", "../mnist"])
def test_bad_version_config_or_syntax(tmp_path, name):
    with pytest.raises(UserError, match="dataset cannot be used") as caught:
        _prepare(name, tmp_path)
    assert len(str(caught.value)) < 600


def test_no_network_fails_soon_and_leaves_nothing(tmp_path, monkeypatch):
    # A proxy that refuses connections stands for a missing network.
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
        monkeypatch.setenv(variable.upper(), "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    data_dir = tmp_path / "new"
    start = time.monotonic()
    with pytest.raises(UserError, match="--manual_dir.*--dataset=mnist_5k"):
        _prepare("kmnist", data_dir)
    assert time.monotonic() - start < 30
    assert not data_dir.exists()


def test_failure_keeps_what_was_there(tmp_path, monkeypatch):
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    kept = tmp_path / "downloads" / "kmnist" / "an_archive.gz"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"kept")
    (tmp_path / "downloads" / "other.tmp.123").mkdir()
    with pytest.raises(UserError):
        _prepare("kmnist", tmp_path)
    left = {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")
    }
    assert left == {
        "downloads",
        "downloads/kmnist",
        "downloads/kmnist/an_archive.gz",
        "downloads/other.tmp.123",
    }


def test_wrong_checksum_names_the_file(tmp_path):
    archives = testdata.path("mnist")
    manual_dir = tmp_path / "archives"
    manual_dir.mkdir()
    for name in ARCHIVES:
        shutil.copy(archives / name, manual_dir)
    with (manual_dir / ARCHIVES[1]).open("ab") as file:
        file.write(b"x")
    data_dir = tmp_path / "new"
    with pytest.raises(UserError, match="t10k-labels.*SHA-256.*fetch it again"):
        _prepare("mnist", data_dir, str(manual_dir))
    assert not data_dir.exists()


def test_manual_dir_that_does_not_exist(tmp_path):
    with pytest.raises(UserError, match="manual_dir must be a folder"):
        _prepare("mnist", tmp_path, str(tmp_path / "missing"))


def test_prepared_data_needs_no_archives(mnist_data_dir):
    builder = _prepare("mnist", mnist_data_dir)
    assert builder.is_prepared()
    assert builder.info.splits["train"].num_examples == 60000


def test_data_that_another_has_prepared_meanwhile(tmp_path):
    config = DataConfig("mnist_5k", data_dir=str(tmp_path))
    builder = find_builder(config)
    assert not builder.is_prepared()
    assert prepared_builder(config).is_prepared()
    prepare(builder, config)
    assert builder.info.splits["train"].num_examples > 0
    assert len(list(builder.as_dataset(split="train[:3]"))) == 3


_PREPARE = """
import sys
from keras_vae.config.data_config import DataConfig
from keras_vae.data.tfds_builder import find_builder, prepare
config = DataConfig("mnist_5k", data_dir=sys.argv[1])
builder = find_builder(config)
print(builder.is_prepared(), flush=True)
input()
print(prepare(builder, config).info.splits["train"].num_examples)
"""


def test_processes_that_need_the_same_data_wait_for_each_other(tmp_path):
    config = DataConfig("mnist_5k", data_dir=str(tmp_path))
    builder = find_builder(config)
    with subprocess.Popen(
        [sys.executable, "-c", _PREPARE, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        # Both have found it missing before one of them begins.
        assert other.stdout.readline() == "False\n"
        assert not builder.is_prepared()
        other.stdin.write("\n")
        other.stdin.flush()
        prepare(builder, config)
        answer, _ = other.communicate(timeout=300)
    assert other.returncode == 0
    assert int(answer) == builder.info.splits["train"].num_examples > 0
    versions = [path.name for path in (tmp_path / "mnist_5k").iterdir()]
    assert versions == ["1.0.0"]  # And nothing incomplete.


def test_data_dir_that_is_a_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("x")
    with pytest.raises(UserError, match="could not be"):
        _prepare("mnist_5k", path)
    assert path.read_text() == "x"


def test_preparing_prints_nothing(tmp_path, capfd, caplog):
    _prepare("mnist_5k", tmp_path)
    assert not [r for r in caplog.records if r.levelname == "WARNING"]
    out, err = capfd.readouterr()
    assert out == ""
    assert "it/s" not in err
    assert "examples" not in err


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
