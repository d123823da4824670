"""Tests of what models say they can do, and of the pictures that they draw."""

import numpy as np
import pytest

from keras_vae.models import latent_statistics
from tests.models.cases import (
    IMAGE,
    binary_images,
    make_autoregressive,
    make_hierarchical,
    make_model,
    make_nvae,
)

_ABILITIES = (
    "has_latents",
    "has_prior",
    "has_likelihood",
    "likelihood_is_exact",
    "normalizes_samples",
)
_MODELS = {
    "autoregressive": (
        make_autoregressive,
        {"has_likelihood", "likelihood_is_exact"},
    ),
    "autoencoder": (
        lambda: make_model("normal_fixed", model="autoencoder"),
        {"has_latents"},
    ),
    "vae": (make_model, {"has_latents", "has_prior", "has_likelihood"}),
    "hierarchical": (
        make_hierarchical,
        {"has_latents", "has_prior", "has_likelihood"},
    ),
    "nvae": (
        make_nvae,
        {"has_latents", "has_prior", "has_likelihood", "normalizes_samples"},
    ),
}


@pytest.mark.parametrize("kind", _MODELS)
def test_models_say_what_they_can(kind):
    make, abilities = _MODELS[kind]
    model = make()
    assert {name for name in _ABILITIES if getattr(model, name)} == abilities


def _drawn(model, num_images=5, **options):
    image, condition = model.unpack(
        (binary_images(num_images), *_labels(model, num_images))
    )
    statistics = None
    if model.has_prior:
        batch = (image, *condition.values())
        statistics = latent_statistics(model, [batch])
    pictures = model.pictures(image, condition, statistics, **options)
    return image.numpy(), {picture.name: picture for picture in pictures}


def _labels(model, count):
    return [value.numpy() for value in model.classes_in_turn(count).values()]


def test_reconstructions_stand_beside_their_images():
    model = make_model("normal_fixed", model="autoencoder")
    image, drawn = _drawn(model)
    assert list(drawn) == ["reconstructions"]
    picture = drawn["reconstructions"]
    np.testing.assert_array_equal(picture.images[::2], image)
    np.testing.assert_array_equal(
        picture.images[1::2], model.reconstruct(image)
    )


def test_pictures_of_a_vae():
    model = make_model()
    _, drawn = _drawn(model)
    sizes = {
        name: (len(picture.images), picture.columns)
        for name, picture in drawn.items()
    }
    # Three latents, each moved in nine steps.
    expected = {"reconstructions": (10, 16), "samples": (64, 8)}
    assert sizes == expected | {"traversals": (27, 9)}
    assert all(p.images.shape[1:] == IMAGE for p in drawn.values())


def test_samples_of_a_conditional_model_have_a_column_for_each_class():
    _, drawn = _drawn(make_model(class_names=("a", "b", "c")))
    picture = drawn["samples"]
    assert (len(picture.images), picture.columns) == (24, 3)


def test_a_hierarchy_leaves_out_while_it_trains_what_is_for_the_end():
    model = make_hierarchical()
    _, brief = _drawn(model, brief=True)
    _, whole = _drawn(model)
    assert list(brief) == ["reconstructions", "samples", "resampled_from_group"]
    assert whole.keys() - brief.keys() == {
        "samples_by_temperature",
        "samples_one_group_colder",
    }
    # At temperature 1 the last row is that of the samples at their own.
    samples = whole["samples_by_temperature"].images
    np.testing.assert_array_equal(
        samples[-8:], model.sample([8], seed=model.seed)
    )
    # A row for each group, and for the groups that are kept, 0 ... 3.
    assert len(whole["samples_one_group_colder"].images) == 3 * 8
    assert len(whole["resampled_from_group"].images) == 4 * 3 * 5


def test_a_model_without_latents_draws_samples_and_completions():
    image, drawn = _drawn(make_autoregressive())
    assert list(drawn) == ["samples", "completions"]
    picture = drawn["completions"]
    rows = picture.images.reshape([5, 4, *IMAGE])
    assert picture.columns == 4
    np.testing.assert_array_equal(rows[:, 0], image)
    for column in range(1, 4):  # Draws, below the two rows that they keep.
        np.testing.assert_array_equal(rows[:, column, :2], image[:, :2])
    assert np.any(rows[:, 1] != rows[:, 2])


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
