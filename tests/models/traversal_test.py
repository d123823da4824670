"""Tests of traversals."""

import numpy as np
import pytest

from keras_vae.models import traverse
from tests.models.cases import IMAGE, binary_images, make_model


def test_one_dimension_moves_at_a_time():
    model = make_model()
    image = binary_images(1)
    images = traverse(model, image, (2, 0), limit=2.0, num_steps=5)
    assert images.shape == (2, 5, *IMAGE)
    code = model.encode(image).mean().numpy()
    for row, dimension in enumerate((2, 0)):
        for column, value in enumerate([-2.0, -1.0, 0.0, 1.0, 2.0]):
            moved = code.copy()
            moved[0, dimension] = value
            np.testing.assert_allclose(
                images[row, column], model.decode(moved)[0], atol=1e-6
            )


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
