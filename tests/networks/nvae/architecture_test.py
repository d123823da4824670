"""Tests of NVAE's sizes, against what is known of the published models."""

import pytest

from keras_vae.config import PRESETS, NVAEConfig
from keras_vae.distributions import (
    DiscretizedLogisticMixture,
    IndependentBernoulli,
)
from keras_vae.errors import UserError
from keras_vae.networks.nvae import NVAEDecoder, NVAEEncoder
from keras_vae.networks.nvae.architecture import (
    groups_per_scale,
    scale_shapes,
)
from tests.networks.nvae.cases import (
    UNIT,
    make_architecture,
    num_layers,
    num_trainable,
)

IMAGES = {
    "mnist": (28, 28, 1),
    "cifar10": (32, 32, 3),
    "celeba64": (64, 64, 3),
    "ffhq256": (256, 256, 3),
    "cpu_mnist": (28, 28, 1),
    "smoke": (28, 28, 1),
}


SIZES = {
    preset: {**PRESETS[preset], "image_shape": shape}
    for preset, shape in IMAGES.items()
}
LARGE_UNIT = {
    **UNIT,
    "channels": 8,
    "latent_channels": 8,
    "num_groups": 4,
    "num_blocks": 2,
}
# Parameters, convolutions and batch normalisations.
PUBLISHED = {
    "mnist": (SIZES["mnist"], 33_363_134, 255, 214),
    "mnist_1_cell": (
        {**SIZES["mnist"], "encoder_cells": 1, "decoder_cells": 1},
        18_853_518,
        None,
        None,
    ),
    "cifar10": (SIZES["cifar10"], 130_852_480, 610, 364),
    "cifar10_no_flows": (
        {**SIZES["cifar10"], "num_flows": 0},
        129_215_680,
        None,
        None,
    ),
    "imagenet32": (
        {**SIZES["cifar10"], "channels": 192, "num_groups": 28},
        268_509_444,
        570,
        340,
    ),
    "celeba64": (SIZES["celeba64"], 153_281_364, 730, 436),
    "ffhq256": (SIZES["ffhq256"], 330_798_664, 986, 460),
}
SMALL_MODELS = {
    "unit": (UNIT, 27_538, 50, 32),
    "unit_flow": ({**UNIT, "num_flows": 1}, 30_946, 68, 32),
    "unit_colour": ({**UNIT, "image_shape": (32, 32, 3)}, 31_372, 50, 32),
    "8_channels": (LARGE_UNIT, 578_238, None, None),
    "16_channels": ({**LARGE_UNIT, "channels": 16}, 2_104_790, None, None),
    "cpu_mnist": (SIZES["cpu_mnist"], 474_566, 82, 50),
    "cpu_mnist_wide": (
        {**SIZES["cpu_mnist"], "decoder_expansion": 6, "post_expansion": 3},
        567_734,
        82,
        50,
    ),
    "smoke": (SIZES["smoke"], 74_862, 55, 32),
}


def make_networks(architecture):
    shape = architecture.image_shape
    likelihood = (
        IndependentBernoulli(shape)
        if shape[-1] == 1
        else DiscretizedLogisticMixture(shape)
    )
    return (
        NVAEEncoder(**architecture.encoder_arguments()),
        NVAEDecoder(likelihood, **architecture.decoder_arguments()),
    )


def output_channels(architecture):
    return 1 if architecture.image_shape[-1] == 1 else 100


@pytest.mark.parametrize("case", PUBLISHED)
def test_number_of_parameters_of_published_models(case):
    sizes, expected, *_ = PUBLISHED[case]
    architecture = make_architecture(**sizes)
    channels = output_channels(architecture)
    assert architecture.num_parameters(channels) == expected


@pytest.mark.parametrize(
    "case", [case for case, (*_, norms) in PUBLISHED.items() if norms]
)
def test_number_of_layers_of_published_models(case):
    sizes, _, convolutions, norms = PUBLISHED[case]
    networks = make_networks(make_architecture(**sizes))
    assert num_layers(*networks) == (convolutions, norms)


@pytest.mark.parametrize("case", SMALL_MODELS)
def test_number_of_parameters_and_layers_of_built_networks(case):
    sizes, parameters, convolutions, norms = SMALL_MODELS[case]
    architecture = make_architecture(**sizes)
    networks = make_networks(architecture)
    for network in networks:
        network.build()
    assert num_trainable(*networks) == parameters
    channels = output_channels(architecture)
    assert architecture.num_parameters(channels) == parameters
    if convolutions is not None:
        assert num_layers(*networks) == (convolutions, norms)


@pytest.mark.parametrize(
    "options",
    [
        {"num_scales": 1, "num_groups": 1, "num_flows": 1},
        {"residual_prior": True, "smooth_scale": True},
    ],
)
def test_number_of_parameters_of_other_networks(options):
    sizes = {**UNIT, **options}
    architecture = make_architecture(**sizes)
    networks = make_networks(architecture)
    for network in networks:
        network.build()
    assert num_trainable(*networks) == architecture.num_parameters(1)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((10, 2, True), (5, 10)),
        ((20, 3, True), (5, 10, 20)),
        ((16, 5, True, 4), (4, 4, 4, 8, 16)),
        ((30, 1, True), (30,)),
        ((7, 4, True), (1, 1, 3, 7)),
        ((3, 2, False), (3, 3)),
    ],
)
def test_groups_of_each_scale(arguments, expected):
    assert groups_per_scale(*arguments) == expected


def test_shapes_of_mnist():
    architecture = make_architecture(**SIZES["mnist"])
    assert architecture.scale_shapes == ((4, 4, 256), (8, 8, 128))
    shapes = ((4, 4, 20),) * 5 + ((8, 8, 20),) * 10
    assert architecture.group_shapes == shapes
    assert architecture.feature_shapes[4:6] == ((4, 4, 256), (8, 8, 128))
    assert architecture.latent_dim == 14_400


@pytest.mark.parametrize(
    ("name", "latent_dim"), [("cifar10", 153_600), ("cpu_mnist", 2_304)]
)
def test_number_of_latents(name, latent_dim):
    assert make_architecture(**SIZES[name]).latent_dim == latent_dim


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"image_shape": (28, 28, 1)},
            r"2 \* config\.pad must be divisible by "
            r"2\^\(config\.num_blocks \+ config\.num_scales - 1\) = 8: .*"
            r"Received: image_shape=\(28, 28, 1\), config\.pad=0, ",
        ),
        ({"num_scales": 5}, r"divisible by .* = 64: .*config\.num_scales=5"),
        (
            {"channels": 7},
            r"config\.channels must be even.* Received: config\.channels=7",
        ),
    ],
)
def test_settings_that_do_not_fit_the_images(change, message):
    sizes = {"image_shape": (32, 32, 1), "pad": 0, "num_blocks": 2, **change}
    with pytest.raises(UserError, match=message):
        make_architecture(**sizes)


def test_arguments_that_do_not_fit_the_images():
    sizes = {"channels": 8, "num_blocks": 1, "num_scales": 1}
    with pytest.raises(UserError, match=r"Received: image_shape=.*, pad=2, "):
        scale_shapes((7, 8, 1), pad=2, **sizes)
    assert scale_shapes((6, 8, 1), pad=2, **sizes) == ((5, 6, 16),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"groups_per_scale": ()},
            r"an entry for each scale.*Received: .*\(\)",
        ),
        (
            {"groups_per_scale": (0,)},
            r"groups_per_scale\[0\] must .* at least 1",
        ),
        ({"groups_per_scale": (2, 0)}, r"Received: groups_per_scale\[1\]=0"),
        ({"groups_per_scale": (1.5,)}, r"whole number.*groups_per_scale\[0\]"),
        ({"channels": 0}, "channels must be .* Received: channels=0"),
    ],
)
def test_networks_without_a_size_are_refused(change, message):
    image = (8, 8, 1)
    sizes = {"channels": 4, "groups_per_scale": (1,), "num_blocks": 0, **change}
    with pytest.raises(UserError, match=message):
        NVAEEncoder(image, **sizes)
    with pytest.raises(UserError, match=message):
        NVAEDecoder(IndependentBernoulli(image), **sizes)
    with pytest.raises(UserError, match="post_cells .* Received: post_cells=0"):
        NVAEDecoder(IndependentBernoulli(image), post_cells=0)


def test_an_odd_number_of_channels_is_fine_where_nothing_is_halved():
    sizes = {"channels": 7, "num_blocks": 0, "num_scales": 1}
    make_architecture(image_shape=(5, 5, 1), pad=0, **sizes)


@pytest.mark.parametrize(
    ("name", "images", "steps", "learning_rate_warmup", "kl_warmup"),
    [
        ("mnist", 60_000, 60_000, 750, 18_000),
        ("cifar10", 50_000, 78_000, 975, 23_400),
    ],
)
def test_length_of_published_runs(
    name, images, steps, learning_rate_warmup, kl_warmup
):
    config = NVAEConfig.from_preset(name)
    total = images // config.batch_size * 400
    assert total == steps
    warmup = config.learning_rate_warmup * total
    assert warmup == pytest.approx(learning_rate_warmup)
    assert config.objective.beta_warmup * total == pytest.approx(kl_warmup)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
