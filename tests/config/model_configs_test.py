"""Tests of the configurations of the models, and of NVAE's presets."""

import math
import pathlib
import re

import pytest

from keras_vae.config import (
    PRESETS,
    AutoencoderConfig,
    AutoregressiveConfig,
    DenseConfig,
    ELBOConfig,
    HierarchicalConfig,
    NVAEConfig,
    SquaredErrorConfig,
    TrainingConfig,
    VAEConfig,
)
from keras_vae.config.likelihood_configs import (
    NormalFixedConfig,
    NormalPerPixelConfig,
    NormalSharedConfig,
)
from keras_vae.config.objective_configs import ImportanceWeightedConfig
from keras_vae.config.registry import parts
from keras_vae.data import DataConfig
from keras_vae.data.splitting import plan_splits
from keras_vae.errors import UserError
from keras_vae.networks.nvae import NVAEArchitecture
from keras_vae.training import ExperimentConfig

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_DOCUMENT = (_ROOT / "docs" / "hierarchical.md").read_text()


_SHARED = [
    ("optimizer", "sgd"),
    ("optimizer_epsilon", 0),
    ("skip_factor", 1),
    ("skip_factor", 0.5),
    ("skip_factor", -2),
    ("weight_decay", -1e-4),
    ("beta_2", 1),
    ("ema_momentum", 1),
    ("ema_momentum", math.nan),
    ("batch_size", 0),
    ("batch_size", 1.5),
    ("learning_rate", 0.0),
    ("learning_rate", math.inf),
    ("learning_rate_warmup", 1),
    ("learning_rate_final", 1.1),
    ("clip_norm", -1),
    ("likelihood", "poisson"),
    ("objective", 3),
]


@pytest.mark.parametrize("kind", parts("model").values())
@pytest.mark.parametrize(("name", "value"), _SHARED)
def test_bad_shared_settings_are_named(kind, name, value):
    with pytest.raises(UserError, match=rf"{name}.*Received: .*{name}"):
        kind(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("latent_dim", 0),
        ("latent_dim", True),
        ("latent_dim", "3"),
        ("latent_dim", 2.5),
        ("num_classes", "many"),
    ],
)
def test_bad_settings_of_a_vae_are_named(name, value):
    with pytest.raises(UserError, match=rf"config\.{name}.*Received: "):
        VAEConfig(**{name: value})


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
        assert config.skip_factor == config.objective.free_bits == 0
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


def test_default_preset_is_the_default():
    assert NVAEConfig.from_preset("cpu_mnist") == NVAEConfig()


def test_unknown_preset_says_what_is_near():
    with pytest.raises(UserError, match=r"Did you mean 'mnist'.*preset=mnits"):
        NVAEConfig.from_preset("mnits")


@pytest.mark.parametrize(
    "config",
    [
        VAEConfig(architecture=DenseConfig((3, 4)), posterior="full"),
        VAEConfig(likelihood={"name": "normal_shared", "scale": 0.5}),
        AutoencoderConfig(),
        HierarchicalConfig(num_groups=(1, 2), objective={"beta": 0.5}),
        HierarchicalConfig(objective="elbo"),
        *map(NVAEConfig.from_preset, PRESETS),
        NVAEConfig(smooth_scale=True, objective={"kl_balancing": False}),
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


def test_what_a_model_prefers_is_for_every_part_that_has_it():
    nvae = NVAEConfig(objective={"name": "importance_weighted", "start": 0.5})
    assert nvae.objective.kl_balancing
    assert nvae.objective.beta_schedule == "clipped"
    assert VAEConfig(objective="importance_weighted").objective.num_samples == 5
    draws = HierarchicalConfig().objective
    assert (draws.num_samples, draws.start) == (4, 0.85)
    assert HierarchicalConfig(objective="elbo").objective == ELBOConfig()
    # Settings that are given as they are stay so.
    assert not NVAEConfig(objective=ELBOConfig()).objective.kl_balancing


def test_an_autoregressive_model_has_no_density():
    assert AutoregressiveConfig(likelihood="bernoulli").filters == 32
    with pytest.raises(UserError, match="Received: .*likelihood=normal_fixed"):
        AutoregressiveConfig(likelihood="normal_fixed")


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        (VAEConfig, {"objective": "squared_error"}, "--model=autoencoder"),
        (
            AutoencoderConfig,
            {"objective": "elbo"},
            "--model=vae or hierarchical or nvae",
        ),
        (NVAEConfig, {"objective": SquaredErrorConfig()}, "a code without"),
        (VAEConfig, {"objective": "log_likelihood"}, "--model=autoregressive"),
        (AutoregressiveConfig, {"objective": "elbo"}, "a prior on its latents"),
    ],
)
def test_parts_that_do_not_fit_are_refused_with_both_names(
    kind, settings, words
):
    with pytest.raises(UserError) as caught:
        kind(**settings)
    message = str(caught.value)
    assert words in message
    (part,) = settings.values()
    name = getattr(part, "name", part)
    assert f"Received: --model={kind.name} --config.objective={name}" in message


@pytest.mark.parametrize(
    ("settings", "part", "need"),
    [
        ({"prior": "vamp", "posterior": "iaf"}, "prior=vamp", "a Gaussian"),
        ({"prior": "vamp", "num_classes": 3}, "prior=vamp", "without classes"),
        (
            {"objective": "beta_tcvae", "posterior": "full"},
            "objective=beta_tcvae",
            "a diagonal Gaussian",
        ),
    ],
)
def test_parts_that_do_not_go_together_are_refused(settings, part, need):
    with pytest.raises(UserError) as caught:
        VAEConfig(**settings)
    message = str(caught.value)
    assert f"config.{part} needs " in message
    assert need in message
    assert "Received: --config." in message


def test_a_mixture_of_no_components_is_refused():
    for name in ("mixture", "vamp"):
        with pytest.raises(
            UserError, match=r"config\.prior\.num_components.*Received: .*=0"
        ):
            VAEConfig(prior={"name": name, "num_components": 0})


def test_a_part_of_another_kind_is_refused():
    with pytest.raises(UserError, match=r"config\.prior must be the name"):
        VAEConfig(prior=DenseConfig())


@pytest.mark.parametrize(
    ("config", "coupled"),
    [
        (VAEConfig(), False),
        (VAEConfig(objective={"free_bits": 0.1}), True),
        (VAEConfig(objective={"kl_balancing": True}), True),
        (AutoencoderConfig(), False),
        (NVAEConfig(objective={"kl_balancing": False}), True),
    ],
)
def test_which_losses_are_means_over_the_images(config, coupled):
    assert config.rows_are_independent is not coupled


@pytest.mark.parametrize(
    ("config", "idle"),
    [
        (VAEConfig(), []),
        (NVAEConfig(), []),
        (HierarchicalConfig(), []),
        (AutoregressiveConfig(), []),
        (VAEConfig(objective={"free_bits": 1.0, "beta": 0.0}), ["free_bits"]),
        (NVAEConfig(objective={"beta": 0.0}), ["kl_balancing"]),
        (NVAEConfig(objective={"beta_warmup": 0.0}), ["kl_balancing"]),
        (NVAEConfig(objective={"beta_initial": 1.0}), ["kl_balancing"]),
        (VAEConfig(objective={"kl_balancing": True}), ["kl_balancing"]),
        (HierarchicalConfig(objective={"num_samples": 1}), ["start"]),
        (HierarchicalConfig(objective={"kl_balancing": True}), []),
    ],
)
def test_settings_that_change_nothing_are_known(config, idle):
    found = [text.split(",")[0] for text in config.idle]
    assert found == [f"config.objective.{name}" for name in idle]


@pytest.mark.parametrize(
    ("cls", "values"),
    [
        (ELBOConfig, {"beta": 1e10}),
        (ELBOConfig, {"beta": 1e-300}),
        (ELBOConfig, {"free_bits": 1e30}),
        (ImportanceWeightedConfig, {"num_samples": 2**31 - 1}),
        (NormalFixedConfig, {"scale": 1e-300}),
        (NormalSharedConfig, {"scale": 1e300}),
        (NormalPerPixelConfig, {"scale": 1e-7}),
        (NVAEConfig, {"regularization_weight": 1e30}),
        (VAEConfig, {"num_classes": "\u0663"}),
        (VAEConfig, {"num_classes": "9" * 5000}),
        (VAEConfig, {"learning_rate": 1e-40}),
    ],
)
def test_what_float32_cannot_compute_with_is_refused(cls, values):
    (name,) = values
    with pytest.raises(UserError, match=rf"config\.\S*{name} must be"):
        cls(**values)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
