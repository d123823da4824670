"""Tests of local paths, JSON files and files that appear whole."""

import pathlib

import pytest

from keras_vae.errors import UserError
from keras_vae.io import local_files


@pytest.mark.parametrize(
    "path",
    ["gs://bucket/a", "s3://b", "hdfs://host/x", "file:///tmp", "abfs+x:/b"],
)
@pytest.mark.parametrize("kind", [str, pathlib.Path])
def test_remote_paths_are_refused(path, kind):
    with pytest.raises(UserError, match=r"workdir must be a local path"):
        local_files.check_local("workdir", kind(path))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("x" * 256, "must be a shorter path"),
        ("a/" * 3000, "must be a shorter path"),
        ("a\0b", "must be a path that files can have"),
        ("\ud800", "must be a path that files can have"),
    ],
)
def test_path_that_no_file_can_have_is_refused(path, words):
    with pytest.raises(UserError, match=rf"workdir {words}.*Received") as error:
        local_files.check_local("workdir", path)
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    "path", ["runs/a", "/tmp/a:b/c", "C:/runs", "a:b", "./gs:/x", "~/x"]
)
def test_local_paths_are_taken(path):
    assert local_files.check_local("workdir", path) == pathlib.Path(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b'{"a": 1, "a": 2}', "'a' comes twice"),
        (b"[" * 100_000, "recursion"),
        (b"\xff", "decode"),
        (b"9" * 5000, "digits"),
    ],
)
def test_json_that_cannot_be_read(content, reason, tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=reason) as error:
        local_files.read_json(path)
    assert str(error.value).endswith(f"Received: {path}")


def test_text_is_replaced_or_stays(tmp_path):
    path = tmp_path / "a.txt"
    local_files.write_text(path, "ä")
    assert path.read_bytes() == "ä".encode()

    def fail(partial):
        partial.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError):
        local_files.replace(path, fail)
    assert path.read_bytes() == "ä".encode()
    assert list(tmp_path.iterdir()) == [path]


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
