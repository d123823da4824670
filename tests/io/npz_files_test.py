"""NPZ files that are written batch by batch."""

import weakref

import numpy as np
import pytest

from keras_vae.io.npz_files import write_npz


def test_batches_become_arrays(tmp_path):
    random = np.random.default_rng(0)
    image = random.normal(size=[7, 2, 3]).astype(np.float32)
    number = np.arange(7)
    rows = (slice(0, 3), slice(3, 6), slice(6, 7))
    batches = ({"image": image[r], "number": number[r]} for r in rows)
    names = np.array(["a", "bc"])
    write_npz(tmp_path / "x.npz", batches, 7, {"names": names})
    with np.load(tmp_path / "x.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {"image", "number", "names"}
        np.testing.assert_array_equal(arrays["image"], image)
        np.testing.assert_array_equal(arrays["number"], number)
        np.testing.assert_array_equal(arrays["names"], names)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def test_batches_are_not_kept(tmp_path):
    alive, most = weakref.WeakSet(), 0

    class Batch(np.ndarray):
        __hash__ = object.__hash__

    def batches():
        nonlocal most
        for _ in range(20):
            image = np.zeros([4, 5], np.float32).view(Batch)
            alive.add(image)
            yield {"image": image}
            del image  # Freed at once: nothing refers to it in a circle.
            most = max(most, len(alive))

    write_npz(tmp_path / "x.npz", batches(), 80, {})
    assert most <= 2
    with np.load(tmp_path / "x.npz") as arrays:
        assert arrays["image"].shape == (80, 5)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
