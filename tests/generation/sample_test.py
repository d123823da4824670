"""Samples drawn from a run folder."""

import numpy as np
import pytest
from PIL import Image

from keras_vae.errors import UserError
from keras_vae.generation import sample
from keras_vae.serving import ExportedModel
from tests import trained_run as shared


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> shared.TrainedRun:
    """Returns a finished run, shared by all the tests of a session."""
    return shared.make(tmp_path_factory)


def test_rows_are_those_that_the_export_serves(run, tmp_path):
    path = tmp_path / "samples.npz"
    sample(run.workdir, path, num_images=3, seed=7, temperature=0.5)
    served = ExportedModel(run.export_dir)(
        "sample",
        seed=np.array([[7, 0], [7, 1], [7, 2]], np.int32),
        temperature=np.full([3], 0.5, np.float32),
    )["image"]
    with np.load(path) as arrays:
        (drawn,) = (arrays[name] for name in arrays if arrays[name].ndim == 4)
    np.testing.assert_allclose(drawn, served, atol=1e-6)


def test_a_grid_is_a_png(run, tmp_path):
    path = tmp_path / "samples.png"
    sample(run.workdir, path, num_images=4)
    with Image.open(path) as picture:
        assert min(picture.size) > 2 * 28


def test_another_suffix_is_refused(run, tmp_path):
    with pytest.raises(UserError, match="Received"):
        sample(run.workdir, tmp_path / "samples.txt", num_images=4)
    assert not list(tmp_path.iterdir())
