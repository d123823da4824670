"""Tests of flags that are made from settings."""

import dataclasses
import sys

import pytest
from absl import flags

from keras_vae import cli
from keras_vae.cli import setting_flags
from keras_vae.config import (
    AutoencoderConfig,
    ConvolutionalConfig,
    DenseConfig,
    HierarchicalConfig,
    NVAEConfig,
    TrainingConfig,
    VAEConfig,
    setting,
)
from keras_vae.config.data_config import DataConfig
from keras_vae.errors import UserError


@pytest.fixture
def parsed(monkeypatch):
    """Returns a function that parses a command line into new flags."""

    def parse(*arguments: str, define=cli.define_model_flags):
        values = flags.FlagValues()
        monkeypatch.setattr(flags, "FLAGS", values)
        monkeypatch.setattr(sys, "argv", ["app.py", *arguments])
        monkeypatch.setattr(sys, "path", list(sys.path))
        for name in (
            "DEFINE_string",
            "DEFINE_integer",
            "DEFINE_float",
            "DEFINE_boolean",
            "DEFINE_multi_string",
        ):
            made = getattr(flags, name)
            monkeypatch.setattr(
                flags,
                name,
                lambda n, default, text, made=made: made(
                    n, default, text, flag_values=values
                ),
            )
        define()
        values(sys.argv)
        return values

    return parse


def test_model_config_without_flags_is_the_default(parsed):
    parsed()
    assert cli.model_config() == VAEConfig()


def test_flags_override_the_settings_of_the_model_and_its_parts(parsed):
    parsed(
        "--model=autoencoder",
        "--config.latent_dim=5",
        "--config.architecture.filters=8,16,32",
        "--config.learning_rate=2e-3",
    )
    assert cli.model_config() == AutoencoderConfig(
        latent_dim=5,
        architecture=ConvolutionalConfig((8, 16, 32), activation="relu"),
        learning_rate=2e-3,
    )


def test_parts_are_chosen_by_name_wherever_it_stands(parsed):
    parsed(
        "--config.architecture.hidden_units=(4, 5)",
        "--config.objective.num_samples=7",
        "--config.architecture",
        "dense",
        "-config.objective=importance_weighted",
        "--config.posterior=full",
    )
    config = cli.model_config()
    assert config.architecture == DenseConfig((4, 5))
    assert config.objective.num_samples == 7
    assert config.posterior.name == "full"


@pytest.mark.parametrize(
    "arguments", [["--model", "autoencoder"], ["-model=autoencoder"]]
)
def test_model_is_found_however_it_is_written(arguments, parsed):
    parsed("--config.latent_dim=3", *arguments)
    assert cli.model_config() == AutoencoderConfig(latent_dim=3)


def test_hierarchy_has_its_own_settings(parsed):
    parsed("--model=hierarchical", "--config.num_groups=1,2")
    config = cli.model_config()
    assert config == HierarchicalConfig(num_groups=(1, 2))


def test_preset_is_where_the_other_flags_start(parsed):
    parsed("--model=nvae", "--config.preset=smoke", "--config.channels=8")
    smoke = NVAEConfig.from_preset("smoke")
    assert cli.model_config() == dataclasses.replace(smoke, channels=8)


def test_flags_before_the_preset_count_too(parsed):
    parsed(
        "--config.channels=16",
        "--noconfig.adaptive",
        "--noconfig.objective.kl_balancing",
        "--config.preset",
        "celeba64",
        "--model",
        "nvae",
    )
    celeba64 = NVAEConfig.from_preset("celeba64")
    assert cli.model_config() == dataclasses.replace(
        celeba64,
        channels=16,
        adaptive=False,
        objective={"kl_balancing": False},
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model=vea"], "Did you mean 'vae'?.*--model=vea"),
        (["--config.prior=vmap"], "Unknown prior.*--config.prior=vmap"),
        (["--model=nvae", "--config.preset=smoek"], "Did you mean 'smoke'"),
        (["--config.preset", "smoek", "--model=nvae"], "config.preset=smoek"),
    ],
)
def test_unknown_names_are_refused_before_the_flags(arguments, words, parsed):
    with pytest.raises(UserError, match=words):
        parsed(*arguments)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--config.preset=smoke", "There is no such setting"),
        ("--config.num_mixtures=5", "--config.likelihood.num_mixtures."),
        (
            "--config.architecture.hidden_units=5",
            "add --config.architecture=dense, or leave it out.",
        ),
        ("--noconfig.kl_balancing", "--config.objective.kl_balancing."),
    ],
)
def test_unknown_flags_are_explained(argument, words, parsed):
    with pytest.raises(flags.UnrecognizedFlagError) as caught:
        parsed(argument)
    message = setting_flags.explain_flag(caught.value)
    assert words in message
    assert message.startswith(f"Unknown flag {argument.partition('=')[0]}. ")
    assert message.endswith(f"Received: {argument}")


def test_other_unknown_flags_are_left_to_absl(parsed):
    with pytest.raises(flags.UnrecognizedFlagError) as caught:
        parsed("--epocs=3")
    assert setting_flags.explain_flag(caught.value) == ""


@pytest.mark.parametrize("text", ["", "8,,8", "8;8", "1.5", "-3", "8,"])
def test_sizes_that_are_no_numbers_are_refused(text, parsed):
    parsed(f"--config.architecture.filters={text}")
    with pytest.raises(UserError, match=r"filters must be.*Received"):
        cli.model_config()


def _define_all():
    cli.define_settings(DataConfig)
    cli.define_settings(TrainingConfig, leave=["seed"])


def test_settings_of_any_dataclass_are_flags(parsed):
    parsed(
        "--seed=3",
        "--resize=28, 32",
        "--max_minutes=1.5",
        "--horizontal_flip",
        "--data_dir=folder",
        define=_define_all,
    )
    assert cli.settings(DataConfig) == DataConfig(
        seed=3, resize=(28, 32), horizontal_flip=True, data_dir="folder"
    )
    training = cli.settings(TrainingConfig)
    assert training == TrainingConfig(seed=3, max_minutes=1.5)


@pytest.mark.parametrize("text", ["", "32", "1,2,3", "a,b", "-1,2", "1.5,2"])
def test_other_sizes_are_refused(text, parsed):
    parsed(f"--resize={text}", define=_define_all)
    with pytest.raises(UserError, match="resize must be.*Received: "):
        cli.settings(DataConfig)


def test_modules_of_parts_are_imported_first(parsed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="--import=no_such_module"):
        parsed("--import=no_such_module", "--config.prior=mine")


def test_help_is_what_the_setting_says(parsed):
    @dataclasses.dataclass(frozen=True)
    class Own:
        size: int = setting(3, "Of something.", low=1)

    values = parsed(define=lambda: cli.define_settings(Own))
    assert values["size"].help == "Of something."
    assert values["size"].default == 3


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
