"""Tests of the settings."""

import dataclasses

import pytest

from keras_vae.config.data_config import DataConfig, default_binarization
from keras_vae.errors import UserError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": ""}, "dataset must be a text"),
        ({"data_dir": 3}, "data_dir must be"),
        ({"manual_dir": ""}, "manual_dir must be"),
        ({"binarization": "dynamc"}, "Did you mean 'dynamic'"),
        ({"dequantization": True}, "Unknown dequantization"),
        ({"resize": (28,)}, "resize must be a list of 2 numbers"),
        ({"resize": (28, 0)}, "resize must be a whole number at least 1"),
        ({"resize": "28"}, "resize must be a list of 2 numbers"),
        ({"pad": -1}, "pad must be a whole number at least 0"),
        ({"pad": 1.5}, "pad must be a whole number at least 0"),
        ({"validation_size": 0}, "validation_size must be"),
        ({"seed": -1}, "seed must be"),
        ({"seed": 2**32}, "seed must be"),
        (
            {"num_bits": 0},
            "num_bits must be .* at least 1 and at most 8",
        ),
        (
            {"num_bits": 9},
            "num_bits must be .* at least 1 and at most 8",
        ),
        (
            {"num_bits": 16},
            "num_bits must be .* at least 1 and at most 8",
        ),
        ({"num_bits": 5.0}, "num_bits must be a whole number"),
        ({"num_bits": 5, "binarization": "static"}, "num_bits below 8"),
        ({"num_bits": 5, "binarization": "dynamic"}, "num_bits below 8"),
        ({"horizontal_flip": 1}, "horizontal_flip must be true or false"),
        (
            {"mutation_rate": -0.1},
            "mutation_rate must .* 0 and at most 1",
        ),
        (
            {"mutation_rate": 1.1},
            "mutation_rate must .* 0 and at most 1",
        ),
        (
            {"mutation_rate": float("nan")},
            "mutation_rate must be a finite",
        ),
        ({"mutation_rate": True}, "mutation_rate must be a finite"),
        ({"mutation_rate": "0.1"}, "mutation_rate must be a finite"),
        ({"dataset": "image_folder"}, "data_dir must name the folder"),
        (
            {"binarization": "static", "dequantization": "uniform"},
            "dequantization",
        ),
    ],
)
def test_bad_values_are_named(changes, message):
    with pytest.raises(UserError, match=message) as caught:
        DataConfig(**changes)
    assert "Received: " in str(caught.value)


def test_resize_may_be_a_list():
    assert DataConfig(resize=[8, 9]).resize == (8, 9)


def test_num_bits_go_with_grey_levels_and_8_of_them_with_all():
    for binarization in ("auto", "none"):
        assert DataConfig(num_bits=5, binarization=binarization).num_bits == 5
    for binarization in ("static", "dynamic"):
        assert DataConfig(num_bits=8, binarization=binarization).num_bits == 8
    assert DataConfig().num_bits == 8
    assert not DataConfig().horizontal_flip


def test_mutation_rate_is_a_share_and_none_unless_given():
    assert DataConfig().mutation_rate == 0
    for rate in (0, 0.2, 1):
        assert DataConfig(mutation_rate=rate).mutation_rate == rate


def test_config_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        DataConfig().seed = 1


@pytest.mark.parametrize(
    ("dataset", "binarization"),
    [
        ("mnist", "dynamic"),
        ("mnist:3.0.1", "dynamic"),
        ("mnist_5k", "dynamic"),
        ("emnist/letters", "dynamic"),
        ("omniglot", "dynamic"),
        ("fashion_mnist", "none"),
        ("cifar10", "none"),
        ("image_folder", "none"),
    ],
)
def test_default_binarization(dataset, binarization):
    assert default_binarization(dataset) == binarization


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("MNIST", "mnist"),
        ("Mnist", "mnist"),
        (" mnist\n", "mnist"),
        ("mnist_5K", "mnist_5k"),
        ("Image_Folder", "image_folder"),
        ("EMNIST/letters", "emnist/letters"),
        ("MNIST:3.0.1", "mnist:3.0.1"),
        ("Emnist/letters:3.1.0", "emnist/letters:3.1.0"),
        # TFDS tells configs of other cases apart.
        ("emnist/Letters", "emnist/Letters"),
    ],
)
def test_names_have_one_spelling(written, name):
    config = DataConfig(written, data_dir="folder")
    assert config.dataset == name
    assert config == DataConfig(name, data_dir="folder")
    assert default_binarization(written) == default_binarization(name)


def test_capital_letters_do_not_change_the_protocol():
    assert default_binarization("MNIST") == "dynamic"
    assert default_binarization("Mnist_5K") == "dynamic"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mnist:3.*.*", "Did you mean 'mnist'"),
        ("mnist:*.*.*", "Did you mean 'mnist'"),
        ("fashion mnist", "Did you mean 'fashion_mnist'"),
        ("fashion-mnist", "Did you mean 'fashion_mnist'"),
        ("mnist/", "Did you mean 'mnist'"),
        ("mnist:", "Did you mean 'mnist'"),
        ("mnist/data_dir=x", "Did you mean 'mnist'"),
        ("../mnist", "Known: "),
        ("5k", "Known: "),
        (" ", "Known: "),
    ],
)
def test_what_is_no_name_is_refused(name, hint):
    with pytest.raises(UserError, match=f"{hint}.*Received: dataset="):
        DataConfig(name)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
