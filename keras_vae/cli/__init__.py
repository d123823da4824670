"""What the apps share: flags, and how they run, end and tell of errors."""

from keras_vae.cli.app_runner import (
    WEIGHTS_HELP,
    given_flags,
    interruption_code,
    no_arguments,
    refuse_flags,
    run,
    split_cpu,
)
from keras_vae.cli.environment import load_tensorflow
from keras_vae.cli.setting_flags import (
    define_model_flags,
    define_settings,
    model_config,
    settings,
)
from keras_vae.errors import UserError

__all__ = [
    "WEIGHTS_HELP",
    "UserError",
    "define_model_flags",
    "define_settings",
    "given_flags",
    "interruption_code",
    "load_tensorflow",
    "model_config",
    "no_arguments",
    "refuse_flags",
    "run",
    "settings",
    "split_cpu",
]
