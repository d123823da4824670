"""Tests of the comparison with Pythae, without running either side."""

import gzip
import pathlib

import numpy as np
import pytest

from benchmarks import throughput


def _archive(folder: pathlib.Path, images: np.ndarray) -> None:
    """Writes uint8 [N, rows, columns] as MNIST's archive."""
    header = np.array([2051, *images.shape], ">i4").tobytes()
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(header + images.tobytes()))


def test_mnist_archive_is_read(tmp_path):
    images = np.random.default_rng(0).integers(
        0, 256, size=[5, 4, 6], dtype=np.uint8
    )
    _archive(tmp_path, images)
    loaded = throughput.load_mnist(tmp_path, 3)
    np.testing.assert_array_equal(loaded, images[:3].reshape(3, 24))
    with pytest.raises(ValueError, match="at most 5. Received: num_images=6"):
        throughput.load_mnist(tmp_path, 6)


def test_failing_worker_shows_its_error(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no such module >&2\nexit 3\n")
    python.chmod(0o755)
    with pytest.raises(RuntimeError, match="(?s)failed with 3.*no such module"):
        throughput.run_rounds({"pythae": python}, tmp_path / "x.npz", 2, 1)


def test_sides_run_in_turn(tmp_path):
    log = tmp_path / "log"
    pythons = {}
    for side, speed in (("keras_vae", 2.0), ("pythae", 1.0)):
        python = tmp_path / side
        python.write_text(
            "#!/bin/sh\n"
            f"echo {side} >> {log}\n"
            "echo chatter\n"
            f'echo \'{{"images_per_second": {speed}, "epochs": 2, '
            '"peak_rss_mb": 7.5}\'\n'
        )
        python.chmod(0o755)
        pythons[side] = python
    runs = throughput.run_rounds(pythons, tmp_path / "x.npz", 2, 2)
    assert log.read_text().split() == ["keras_vae", "pythae"] * 2
    assert [r.images_per_second for r in runs["keras_vae"]] == [2.0, 2.0]
    assert runs["pythae"][0].peak_rss_mb == 7.5


def _runs(*speeds: float) -> list[throughput.Run]:
    return [throughput.Run(speed, 3, 500.0, 0.25) for speed in speeds]


def test_the_ratio_is_that_of_medians():
    ours, pythae = throughput.rows(
        {"keras_vae": _runs(30, 10, 20), "pythae": _runs(10, 10, 5)}
    )
    assert ours["rounds"] == [30, 10, 20]
    assert ours["median"] == 20
    assert [str(ratio) for ratio in ours["ratios"]] == ["3.00", "1.00", "4.00"]
    assert str(ours["ratio"]) == "2.00"
    assert ours["peak_rss"] == 500
    assert str(pythae["other_cores"]) == "0.25"
    assert "ratio" not in pythae


def test_one_side_has_no_ratio():
    (row,) = throughput.rows({"keras_vae": _runs(1.0)})
    assert "ratio" not in row


@pytest.mark.parametrize("flag", ["--epochs=1", "--rounds=0"])
def test_flags_out_of_range_are_refused(flag, capsys):
    with pytest.raises(SystemExit, match="2"):
        throughput.main([flag])
    assert "must be at least" in capsys.readouterr().err


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
