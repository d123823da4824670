"""Tests of what a model's `auto` stands for."""

import pytest

from keras_vae.config import (
    AutoencoderConfig,
    HierarchicalConfig,
    NVAEConfig,
    VAEConfig,
    resolve_classes,
    resolve_likelihood,
)
from keras_vae.errors import UserError


@pytest.mark.parametrize(
    ("config", "binarization", "expected"),
    [
        (VAEConfig(), "dynamic", "bernoulli"),
        (VAEConfig(), "static", "bernoulli"),
        (VAEConfig(), "none", "normal_shared"),
        (HierarchicalConfig(), "none", "discretized_logistic_mixture"),
        (NVAEConfig(), "none", "discretized_logistic_mixture"),
        (NVAEConfig(), "dynamic", "bernoulli"),
        (AutoencoderConfig(), "none", "normal_fixed"),
        (AutoencoderConfig(), "dynamic", "normal_fixed"),
        (VAEConfig(likelihood="bernoulli"), "dynamic", "bernoulli"),
        (VAEConfig(likelihood="normal_fixed"), "none", "normal_fixed"),
        (
            VAEConfig(likelihood="continuous_bernoulli"),
            "none",
            "continuous_bernoulli",
        ),
    ],
)
def test_auto_likelihood(config, binarization, expected):
    assert resolve_likelihood(config, binarization) == expected


def test_a_likelihood_of_binary_images_refuses_others():
    config = VAEConfig(likelihood="bernoulli")
    with pytest.raises(UserError, match=r"Received: --binarization=none"):
        resolve_likelihood(config, "none")


@pytest.mark.parametrize("binarization", ["static", "dynamic"])
@pytest.mark.parametrize(
    "likelihood", ["continuous_bernoulli", "normal_shared", "normal_per_pixel"]
)
def test_a_density_refuses_binary_images(likelihood, binarization):
    config = VAEConfig(likelihood=likelihood)
    message = (
        f"{likelihood} is a density.*Received: --binarization={binarization}"
    )
    with pytest.raises(UserError, match=message):
        resolve_likelihood(config, binarization)


def test_settings_of_auto_are_those_of_what_it_comes_to():
    config = VAEConfig(likelihood={"scale": 0.5, "num_mixtures": 3})
    found = config.resolved_likelihood("normal_shared")
    assert (found.name, found.scale) == ("normal_shared", 0.5)
    found = config.resolved_likelihood("discretized_logistic_mixture")
    assert found.num_mixtures == 3
    named = VAEConfig(likelihood={"name": "normal_fixed", "scale": 0.2})
    assert named.resolved_likelihood("normal_fixed") is named.likelihood


def test_classes_come_from_the_dataset():
    names = ["a", "b"]
    assert resolve_classes(VAEConfig(), names) == ()
    assert resolve_classes(VAEConfig(num_classes="auto"), names) == ("a", "b")
    assert resolve_classes(VAEConfig(num_classes="2"), names) == ("a", "b")
    with pytest.raises(UserError, match="2 classes: .*num_classes=3"):
        resolve_classes(VAEConfig(num_classes="3"), names)
    with pytest.raises(UserError, match="needs labels"):
        resolve_classes(VAEConfig(num_classes="auto"), None)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
