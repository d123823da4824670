"""Tests of the configurations of the models, and of NVAE's presets."""

import dataclasses
import math
import pathlib
import re

import pytest

from keras_vae.config import (
    MODEL_CONFIGS,
    PRESETS,
    HierarchicalConfig,
    NVAEConfig,
    TrainingConfig,
    VAEConfig,
    model_config_from_dict,
)
from keras_vae.data import DataConfig
from keras_vae.data.splitting import plan_splits
from keras_vae.errors import UserError
from keras_vae.networks.nvae import NVAEArchitecture
from keras_vae.training import ExperimentConfig

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_DOCUMENT = (_ROOT / "docs" / "hierarchical.md").read_text()


def test_defaults_are_those_of_their_model():
    assert {name: kind().model for name, kind in MODEL_CONFIGS.items()} == {
        "autoencoder": "vae",
        "hierarchical": "hierarchical",
        "nvae": "nvae",
        "vae": "vae",
    }


_SHARED = [
    ("num_mixtures", 0),
    ("num_mixtures", 1.5),
    ("likelihood", "poisson"),
    ("optimizer", "sgd"),
    ("optimizer_epsilon", 0),
    ("skip_factor", 1),
    ("skip_factor", 0.5),
    ("skip_factor", -2),
    ("weight_decay", -1e-4),
    ("beta_initial", 2),
    ("beta_2", 1),
    ("ema_momentum", 1),
    ("ema_momentum", math.nan),
    ("batch_size", 0),
    ("importance_samples", 0),
    ("importance_samples", 2.5),
    ("importance_start", -0.1),
    ("importance_start", 1),
]


@pytest.mark.parametrize("others", [{"free_bits": 0.5}, {"kl_balancing": True}])
def test_what_is_of_the_elbo_needs_a_part_of_the_run(others):
    with pytest.raises(UserError, match=r"config\.importance_start above 0"):
        VAEConfig(importance_samples=5, **others)
    VAEConfig(importance_samples=5, importance_start=0.5, **others)


def test_autoencoder_has_no_importance_weights():
    with pytest.raises(UserError, match="--model=vae, or leave it at 1"):
        VAEConfig(model="autoencoder", importance_samples=5)


@pytest.mark.parametrize(
    ("samples", "start", "expected"),
    [(1, 0.0, False), (1, 0.5, False), (5, 0.0, False), (5, 0.5, True)],
)
def test_draws_change_only_within_a_run(samples, start, expected):
    config = VAEConfig(importance_samples=samples, importance_start=start)
    assert config.draws_change is expected


@pytest.mark.parametrize("kind", [VAEConfig, HierarchicalConfig, NVAEConfig])
@pytest.mark.parametrize(("name", "value"), _SHARED)
def test_bad_shared_settings_are_named(kind, name, value):
    with pytest.raises(UserError, match=rf"config\.{name}.*Received: .*{name}"):
        kind(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("filters", ()),
        ("filters", 32),
        ("filters", (0, 4)),
        ("filters", (4, 4, 4)),
        ("bottlenecks", (4,)),
        ("bottlenecks", (4, 0)),
        ("encoder_blocks", (-1, 1)),
        ("encoder_blocks", (1,)),
        ("decoder_blocks", (1, 0.5)),
        ("num_groups", (-1, 2)),
        ("num_groups", (1, 2, 3)),
        ("latent_channels", 0),
        ("top_latent_dim", 0),
        ("top_latent_dim", True),
        ("dense_units", 0),
        ("dense_groups", -1),
        ("dense_groups", 1.5),
        ("dense_bottleneck", 0),
        ("dense_latent_dim", 0),
        ("upsampling", "bilinear"),
    ],
)
def test_bad_settings_of_a_hierarchy_are_named(name, value):
    with pytest.raises(UserError, match=rf"config\.{name}.*Received: "):
        HierarchicalConfig(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("preset", "mnits"),
        ("channels", 0),
        ("channels", 4.0),
        ("pad", -1),
        ("num_scales", 0),
        ("num_groups", 0),
        ("min_groups", 0),
        ("min_groups", 5),
        ("latent_channels", 0),
        ("encoder_cells", 0),
        ("decoder_cells", 0),
        ("num_blocks", -1),
        ("pre_cells", 0),
        ("post_cells", 0),
        ("decoder_expansion", 0),
        ("post_expansion", 0),
        ("kernel_size", 0),
        ("kernel_size", 4),
        ("num_flows", -1),
        ("regularization_weight", -1.0),
        ("regularization_initial", math.inf),
    ],
)
def test_bad_settings_of_nvae_are_named(name, value):
    with pytest.raises(UserError, match=rf"config\.{name}.*Received: "):
        NVAEConfig(**{name: value})


def test_settings_that_exclude_each_other():
    with pytest.raises(UserError, match=r"weight_decay.*optimizer=adamax"):
        VAEConfig(weight_decay=1e-4)
    VAEConfig(weight_decay=1e-4, optimizer="adamax")
    with pytest.raises(UserError, match=r"regularization_weight must be above"):
        NVAEConfig(regularization_weight=0, regularization_initial=1.0)
    with pytest.raises(UserError, match="model=vae"):
        NVAEConfig(model="vae")
    with pytest.raises(UserError, match="model=nvae"):
        VAEConfig(model="nvae")
    with pytest.raises(UserError, match="model=vae"):
        HierarchicalConfig(model="vae")


@pytest.mark.parametrize(
    ("preset", "image", "outputs", "groups", "parameters"),
    [
        ("mnist", (28, 28, 1), 1, (5, 10), 33_363_134),
        ("cifar10", (32, 32, 3), 100, (30,), 130_852_480),
        ("celeba64", (64, 64, 3), 100, (5, 10, 20), 153_281_364),
        ("ffhq256", (256, 256, 3), 100, (4, 4, 4, 8, 16), 330_798_664),
        ("cpu_mnist", (28, 28, 1), 1, (2, 4), 474_566),
        ("smoke", (28, 28, 1), 1, (1, 2), 74_862),
    ],
)
def test_presets_have_the_published_sizes(
    preset, image, outputs, groups, parameters
):
    config = NVAEConfig.from_preset(preset)
    assert config.preset == preset
    architecture = NVAEArchitecture(image, config)
    assert architecture.groups_per_scale == groups
    assert architecture.num_parameters(outputs) == parameters


def test_published_presets_have_the_published_training():
    for preset, batch, epochs in [
        ("mnist", 400, 400),
        ("cifar10", 256, 400),
        ("celeba64", 128, 90),
        ("ffhq256", 96, 200),
    ]:
        config = NVAEConfig.from_preset(preset)
        assert config.batch_size == batch
        assert config.learning_rate_warmup * epochs == pytest.approx(5)
        final = config.learning_rate * config.learning_rate_final
        assert final == pytest.approx(1e-4)
        assert config.optimizer == "adamax"
        # What came after the paper is off.
        assert config.ema_momentum == config.clip_norm == 0
        assert config.skip_factor == config.free_bits == 0
        assert not (config.smooth_scale or config.residual_prior)
        assert not (config.depth_scaled_init or config.recompute)
    assert NVAEConfig.from_preset("ffhq256").regularization_initial == 1.0


_IMAGES = {
    "mnist": {"train": 60_000, "test": 10_000},
    "cifar10": {"train": 50_000, "test": 10_000},
}


@pytest.mark.parametrize(
    ("preset", "published"), [("mnist", 60_000), ("cifar10", 78_000)]
)
def test_documented_commands_have_nearly_the_published_steps(preset, published):
    [(flags, steps, said)] = re.findall(
        rf"^\| `{preset}` \|.*\| `(--dataset.*)` \| ([\d,]+) \(([\d,]+)\) \|$",
        _DOCUMENT,
        re.M,
    )
    values = dict(re.findall(r"--(\w+)=(\w+)", flags))
    data = DataConfig(
        values["dataset"], validation_size=int(values["validation_size"])
    )
    train = plan_splits(_IMAGES[preset], data)["train"][1]
    batch_size = NVAEConfig.from_preset(preset).batch_size
    found = len(train) // batch_size * int(values["epochs"])
    assert found == int(steps.replace(",", ""))
    assert int(said.replace(",", "")) == published
    assert published * 0.99 < found <= published
    # As many as with a single image for validation: less cannot be.
    most = (sum(_IMAGES[preset].values()) - 10_000 - 1) // batch_size
    assert len(train) // batch_size == most


def test_documented_steps_of_the_default_validation():
    """54,800 and 70,000 of 400 epochs."""
    for preset, steps in (("mnist", 54_800), ("cifar10", 70_000)):
        train = plan_splits(_IMAGES[preset], DataConfig(preset))["train"][1]
        batch_size = NVAEConfig.from_preset(preset).batch_size
        assert len(train) // batch_size * 400 == steps
        assert f"{steps:,}" in _DOCUMENT


@pytest.mark.parametrize("preset", PRESETS)
def test_only_what_is_not_published_starts_at_the_mean_image(preset):
    config = NVAEConfig.from_preset(preset)
    published = ("mnist", "cifar10", "celeba64", "ffhq256")
    assert config.output_mean_bias is (preset not in published)


@pytest.mark.parametrize("name", MODEL_CONFIGS)
def test_a_configuration_without_the_setting_started_at_the_mean_image(name):
    """As all models did before there was a choice, whatever the preset."""
    values = dataclasses.asdict(MODEL_CONFIGS[name](model=name))
    if name == "nvae":
        values = dataclasses.asdict(NVAEConfig.from_preset("mnist"))
    del values["output_mean_bias"]
    assert model_config_from_dict(values).output_mean_bias is True


def test_default_preset_is_the_default():
    assert NVAEConfig.from_preset("cpu_mnist") == NVAEConfig()


def test_unknown_preset_says_what_is_near():
    with pytest.raises(UserError, match=r"Did you mean 'mnist'.*preset=mnits"):
        NVAEConfig.from_preset("mnits")


@pytest.mark.parametrize(
    "config",
    [
        VAEConfig(hidden_units=(3, 4), filters=(5,), num_blocks=(1,)),
        VAEConfig(model="autoencoder"),
        HierarchicalConfig(num_groups=(1, 2), beta=0.5),
        *map(NVAEConfig.from_preset, PRESETS),
        NVAEConfig(smooth_scale=True, kl_balancing=False, skip_factor=2.0),
    ],
)
def test_experiment_survives_its_dict(config):
    experiment = ExperimentConfig(
        DataConfig(
            "mnist_5k", num_bits=5, horizontal_flip=True, mutation_rate=0.1
        ),
        config,
        TrainingConfig(),
    )
    again = ExperimentConfig.from_dict(experiment.to_dict())
    assert again == experiment
    assert type(again.model) is type(config)


def test_unknown_model_in_a_dict_says_what_is_near():
    with pytest.raises(UserError, match=r"Did you mean 'nvae'.*model=nave"):
        model_config_from_dict({"model": "nave"})


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
