"""Tests of masks in image files."""

import numpy as np
import pytest
from PIL import Image

from keras_vae.errors import UserError
from keras_vae.use.mask_files import read_mask


def _write(path, levels):
    Image.fromarray(np.asarray(levels, np.uint8)).save(path)
    return path


def test_white_is_missing_in_a_file(tmp_path):
    path = _write(tmp_path / "mask.png", [[0, 255, 127], [128, 0, 0]])
    np.testing.assert_array_equal(read_mask(path, 2, 3), [[0, 1, 0], [1, 0, 0]])


def test_a_mask_of_another_size_is_refused(tmp_path):
    path = _write(tmp_path / "mask.png", np.full([3, 2], 255))
    with pytest.raises(UserError, match=r"2x3 .*Received: 3x2 in"):
        read_mask(path, 2, 3)


def test_a_mask_without_white_is_refused(tmp_path):
    path = _write(tmp_path / "mask.png", np.zeros([2, 3]))
    with pytest.raises(UserError, match="nothing is missing"):
        read_mask(path, 2, 3)


def test_a_missing_or_broken_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such mask file"):
        read_mask(tmp_path / "none.png", 2, 3)
    path = tmp_path / "mask.png"
    path.write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"Received: .*mask.png"):
        read_mask(path, 2, 3)
