"""Tests of samples drawn from a run folder."""

import numpy as np
import pytest
from PIL import Image

from keras_vae.errors import UserError
from keras_vae.generation import sample
from keras_vae.serving import ExportedModel


def test_rows_are_those_that_the_export_serves(run, tmp_path):
    path = tmp_path / "samples.npz"
    sample(run.workdir, path, num_images=3, seed=7, temperature=0.5)
    served = ExportedModel(run.export_dir)(
        "sample",
        seed=np.array([[7, 0], [7, 1], [7, 2]], np.int32),
        temperature=np.full([3], 0.5, np.float32),
    )["image"]
    with np.load(path) as arrays:
        np.testing.assert_allclose(arrays["image"], served, atol=1e-6)


def test_more_images_begin_with_the_same_ones(run, tmp_path):
    drawn = []
    for count in (2, 5):
        path = tmp_path / f"{count}.npz"
        sample(run.workdir, path, num_images=count)
        with np.load(path) as arrays:
            drawn.append(arrays["image"])
    np.testing.assert_allclose(drawn[1][:2], drawn[0], atol=1e-6)
    assert np.abs(drawn[1][2] - drawn[1][3]).max() > 0.01


def test_a_folder_has_a_file_for_each_image(run, tmp_path):
    sample(run.workdir, tmp_path / "digits", num_images=3)
    files = sorted((tmp_path / "digits").glob("*.png"))
    assert len(files) == 3
    with Image.open(files[0]) as picture:
        assert picture.size == (28, 28)


def test_a_class_is_refused_by_a_model_without_classes(run, tmp_path):
    with pytest.raises(UserError, match="does not know classes"):
        sample(run.workdir, tmp_path / "s.png", num_images=1, label="3")
    assert not list(tmp_path.iterdir())


def test_another_suffix_is_refused(run, tmp_path):
    with pytest.raises(UserError, match="Received"):
        sample(run.workdir, tmp_path / "samples.txt", num_images=4)
    assert not list(tmp_path.iterdir())
