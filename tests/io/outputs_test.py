"""Tests of files and folders that appear whole or not at all."""

import pytest

from keras_vae.errors import StorageError, UserError
from keras_vae.io import outputs
from tests.full_disk import full_disk


def _fill(path):
    path.write_bytes(bytes(10_000))


def test_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("old")
    with full_disk(), pytest.raises(StorageError, match="File too large"):
        outputs.replace_file(path, _fill)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk_does_not_lose_the_figures(tmp_path):
    with full_disk(), pytest.raises(StorageError) as error:
        outputs.write_folder(
            tmp_path / "scores",
            lambda folder: _fill(folder / "scores.csv"),
            "AUROC 0.9",
        )
    assert error.value.report == "AUROC 0.9"
    assert list(tmp_path.iterdir()) == []


def test_two_writers_do_not_share_a_partial_file(tmp_path):
    path = tmp_path / "file"

    def write(partial):
        partial.write_text("first")
        outputs.replace_file(path, lambda other: other.write_text("second"))

    outputs.replace_file(path, write)
    assert path.read_text() == "first"


@pytest.mark.parametrize("scheme", ["gs://", "s3://", "hdfs://", "file:///"])
def test_remote_output_is_refused(scheme):
    with pytest.raises(UserError, match=r"local path.*Received: output="):
        outputs.check_suffix(f"{scheme}bucket/new.png", (".png",), "sample")


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
