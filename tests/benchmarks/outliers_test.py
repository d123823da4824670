"""Tests of the benchmark of outlier scores, on a tiny model."""

import numpy as np
import pytest
from PIL import Image

from benchmarks import outliers
from keras_vae.evaluation import detection


def test_spoilt_images_are_what_they_are_called():
    images = np.random.default_rng(0).integers(
        0, 256, [3, 16, 20], dtype=np.uint8
    )
    found = outliers.spoilt(images, seed=1)
    np.testing.assert_array_equal(found["inverted"] + images, 255)
    # Turned counter-clockwise: what was at the right end is now at the top.
    np.testing.assert_array_equal(found["turned"][:, 0], images[:, :, -1])
    for name, level in (("box_black", 0), ("box_white", 255)):
        for spoilt, image in zip(found[name], images):
            changed = np.argwhere(spoilt != image)
            (top, left), (bottom, right) = changed.min(0), changed.max(0)
            inside = spoilt[top : bottom + 1, left : right + 1]
            assert (inside == level).all()
            assert max(inside.shape) <= 12
            assert inside.size >= 100  # But for edges of that very level.


def test_photographs_become_grey_and_small(tmp_path):
    rows = np.zeros([2, 1024, 3], np.uint8)
    rows[1] = (255, 255, 255)
    Image.fromarray(rows).save(tmp_path / "batch.png")
    found = outliers.photographs(tmp_path / "batch.png", 28)
    assert found.shape == (2, 28, 28)
    assert (found[0] == 0).all() and (found[1] == 255).all()


def test_there_is_a_row_for_each_kind():
    worth = detection(np.arange(10.0), np.arange(10.0) + 5)
    scores = ("nll", "nll_ratio", "reconstruction_error")
    (row,) = outliers.rows([("box_black", dict.fromkeys(scores, worth))])
    assert (row["label"], row["number"]) == ("box black", 10)
    # By hand: of 100 pairs 85 are in order, and 5 are ties.
    assert str(row["nll_ratio"]["value"]) == "0.875"
    assert 0 < row["nll_ratio"]["standard_error"] < 0.1


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
