"""Outputs that are too large are refused, with what they would need."""

import types

import pytest

from keras_vae.errors import UserError
from keras_vae.io import sizes


@pytest.fixture
def free(monkeypatch, tmp_path):
    """Gives the disk 5 MB and the memory 3 GB; returns where was asked."""
    asked = []

    def disk_usage(folder):
        asked.append(folder)
        return types.SimpleNamespace(free=5_000_000)

    monkeypatch.setattr("shutil.disk_usage", disk_usage)
    memory = types.SimpleNamespace(available=3 * 10**9)
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    return asked


def test_what_fits_is_accepted(free, tmp_path):
    sizes.check_disk(tmp_path / "a" / "b.npz", 5_000_000, "1 image", "n=1")
    assert free == [tmp_path]  # The folder that is there already.
    sizes.check_memory(3 * 10**9, "1 image", "n=1")
    sizes.check_picture(1024, (128, 128, 3), "n=1024")


def test_what_does_not_fit_is_refused_with_its_size(free, tmp_path):
    with pytest.raises(UserError) as caught:
        sizes.check_disk(tmp_path, 31_360_000_000, "9 images", "n=9")
    assert "9 images need 31.4 GB of disk" in str(caught.value)
    assert f"5 MB are free in {tmp_path}" in str(caught.value)
    assert str(caught.value).endswith("Received: n=9")
    with pytest.raises(UserError, match=r"3\.14 TB of memory, and 3 GB are"):
        sizes.check_memory(3_136_000_000_000, "9 images", "n=9")
    with pytest.raises(UserError, match=r"1,025 .*17 million.*: n=1025"):
        sizes.check_picture(1025, (128, 128, 3), "n=1025")


@pytest.mark.parametrize(
    ("num_bytes", "text"), [(5_000_001, "5 MB"), (2 * 10**20, "2e+05 PB")]
)
def test_sizes_of_all_orders_are_readable(free, tmp_path, num_bytes, text):
    with pytest.raises(UserError) as caught:
        sizes.check_disk(tmp_path, num_bytes, "images", "n")
    assert f"need {text} of disk" in str(caught.value)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
