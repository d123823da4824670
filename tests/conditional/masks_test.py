"""Masks: how many pixels are missing, and where."""

import numpy as np
import pytest

from keras_vae.conditional.masks import MaskConfig
from keras_vae.errors import UserError


def test_random_masks_have_their_share_and_differ():
    masks = MaskConfig("random", share=0.25).draw(20, 28, 28)
    np.testing.assert_array_equal(masks.sum(axis=(1, 2)), 196)
    # Each position is missing in a quarter of many masks: binomial, 6 sigma.
    many = MaskConfig("random", share=0.25).draw(2000, 3, 4).mean(axis=0)
    assert np.abs(many - 0.25).max() < 6 * np.sqrt(0.25 * 0.75 / 2000)


def test_an_image_has_its_mask_whatever_is_around_it():
    config = MaskConfig("random", seed=3)
    np.testing.assert_array_equal(
        config.draw(5, 4, 4)[:2], config.draw(2, 4, 4)
    )
    other = MaskConfig("random", seed=4).draw(2, 4, 4)
    assert np.any(other != config.draw(2, 4, 4))


def test_boxes_are_boxes():
    for mask in MaskConfig("box", share=0.25).draw(20, 8, 12):
        rows, columns = np.nonzero(mask)
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (4, 6)
        assert mask.sum() == 24


def test_boxes_lie_anywhere():
    masks = MaskConfig("box", share=0.25).draw(400, 4, 6)
    places = {tuple(np.argwhere(mask)[0]) for mask in masks}
    assert places == {(i, j) for i in range(3) for j in range(4)}


@pytest.mark.parametrize(
    ("side", "place"),
    [
        ("top", np.s_[:2]),
        ("bottom", np.s_[2:]),
        ("left", np.s_[:, :3]),
        ("right", np.s_[:, 3:]),
    ],
)
def test_halves(side, place):
    (mask,) = MaskConfig("half", side=side).draw(1, 4, 6)
    assert mask.sum() == 12
    assert np.all(mask[place] == 1)


def test_any_half_is_each_of_the_four():
    masks = MaskConfig("half").draw(60, 4, 6)
    assert len({mask.tobytes() for mask in masks}) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "rand"}, "Received: mask=rand"),
        ({"kind": "half", "side": "up"}, "Received: side=up"),
        ({"share": 0.0}, "Received: share=0.0"),
        ({"share": 1.5}, "Received: share=1.5"),
        ({"seed": -1}, "Received: seed=-1"),
    ],
)
def test_impossible_masks_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        MaskConfig(**arguments)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
