"""What the apps share: flags, configuration files, errors for people."""

import contextlib
import dataclasses
import importlib.util
import inspect
import os
import pathlib
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from absl import app, flags, logging

from keras_vae import environment
from keras_vae.config import ModelConfig
from keras_vae.errors import UserError, did_you_mean
from keras_vae.failures import failure_of_machine
from keras_vae.model_configs import (
    MODEL_CONFIGS,
    NVAEConfig,
    model_config_from_dict,
)

__all__ = [
    "WEIGHTS_HELP",
    "UserError",
    "define_model_flags",
    "given_flags",
    "interruption_code",
    "load_tensorflow",
    "model_config",
    "no_arguments",
    "parse_size",
    "refuse_flags",
    "run",
    "split_cpu",
]

USAGE_ERROR = UserError.exit_code
_INTERRUPTED = {"SIGINT": 130, "SIGTERM": 143}


def run(main: Callable[[Sequence[str]], int | None]) -> None:
    """Runs an app: parses flags, calls `main`, and exits.

    A `UserError`, or a flag that is wrong, is printed as one short message
    without a traceback, and the exit code is the error's. So is a failure of
    the machine, wherever it arose; a mistake of the code has its traceback,
    and the exit code is 1.

    Args:
        main: Takes the arguments that are no flags; returns an exit code.
    """
    environment.prepare()
    logging.set_verbosity(logging.WARNING)

    def guarded(arguments: Sequence[str]) -> None:
        try:
            code = main(arguments[1:])
            sys.stdout.flush()
            sys.exit(code)
        except UserError as error:
            _fail_with(error)
        except KeyboardInterrupt:
            # Where nothing has taken it over, as training does.
            print("stopped by SIGINT", file=sys.stderr)
            sys.exit(interruption_code("SIGINT"))
        except BrokenPipeError:
            _end_unread()
        except Exception as error:
            failure = failure_of_machine(error)
            if failure is None:
                raise
            _fail_with(failure)

    app.run(guarded, flags_parser=_parse)


def _parse(arguments: Sequence[str]) -> list[str]:
    try:
        try:
            return flags.FLAGS(arguments)
        except SystemExit:  # absl exits with 1 after --help.
            sys.stdout.flush()
            sys.exit(0)
    except BrokenPipeError:
        _end_unread()
    except (flags.Error, UserError) as error:
        _fail(str(error))


def _end_unread() -> NoReturn:
    # Who read our output has gone, as `| head` does.
    _forget_stdout()
    sys.exit(0)


def _forget_stdout() -> None:
    """Keeps Python from flushing at its end what cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail_with(error: UserError) -> NoReturn:
    try:
        if error.report:
            print(error.report)
        sys.stdout.flush()
    except OSError:
        # It is full, or its reader has gone; the message matters more.
        _forget_stdout()
    _fail(str(error), error.exit_code)


def _fail(message: str, code: int = USAGE_ERROR) -> NoReturn:
    # Where nobody can read it, on a full disk say, the code tells at least.
    with contextlib.suppress(OSError):
        print(f"error: {message}", file=sys.stderr, flush=True)
    sys.exit(code)


def load_tensorflow() -> None:
    """Imports TensorFlow without the notes it prints before it can be quiet.

    They go to the file descriptor of standard error, whatever the log level.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    silence = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silence, 2)
        import tensorflow  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silence)


def interruption_code(signal_name: str) -> int:
    """Returns the exit code that shells give to a process ended by a signal."""
    return _INTERRUPTED[signal_name]


def define_model_flags(configs: pathlib.Path) -> None:
    """Defines `--model` and `--config.NAME` for each of its settings.

    Args:
        configs: Folder with a file `<model>.py` for each model, whose
            `get_config()` returns a `ModelConfig`.
    """
    names = sorted(p.stem for p in configs.glob("*.py") if p.stem != "__init__")
    flags.DEFINE_string("model", "vae", f"The model: {', '.join(names)}.")
    name = _early_value("model", "vae")
    if name not in names:
        near = did_you_mean(name, names)
        _fail(f"Unknown model. {near} Received: --model={name}")
    config = _load_config(configs / f"{name}.py")
    preset = _early_value("config.preset", "")
    if preset and isinstance(config, NVAEConfig):
        try:
            config = NVAEConfig.from_preset(preset)
        except UserError as error:
            _fail(str(error))
    _define_settings(config)


def _define_settings(config: ModelConfig) -> None:
    descriptions = _descriptions(ModelConfig) | _descriptions(type(config))
    for field in dataclasses.fields(config):
        if field.name == "model":
            continue
        value = getattr(config, field.name)
        name, help_text = f"config.{field.name}", descriptions[field.name]
        if isinstance(value, tuple):
            text = ",".join(map(str, value))
            flags.DEFINE_string(name, text, help_text)
        else:
            define: Any = {
                bool: flags.DEFINE_boolean,
                int: flags.DEFINE_integer,
                float: flags.DEFINE_float,
                str: flags.DEFINE_string,
            }[type(value)]
            define(name, value, help_text)
        # Shown by --help, as the flags that the app itself defines.
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])


def _descriptions(config: type) -> dict[str, str]:
    """Returns what a dataclass's docstring says of each attribute."""
    _, _, text = inspect.cleandoc(config.__doc__ or "").partition("Attributes:")
    found = re.findall(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", text, re.M | re.S)
    return {name: " ".join(words.split()) for name, words in found}


def _early_value(name: str, default: str) -> str:
    """Returns a flag's value before the flags are parsed.

    The settings that `--config.` offers depend on `--model`.
    """
    value = default
    arguments = sys.argv[1:]
    for index, argument in enumerate(arguments):
        flag, equals, text = argument.partition("=")
        if flag in (f"--{name}", f"-{name}"):
            if equals:
                value = text
            elif index + 1 < len(arguments):
                value = arguments[index + 1]
    return value


def _load_config(path: pathlib.Path) -> ModelConfig:
    spec = importlib.util.spec_from_file_location(f"config_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config()


def model_config() -> ModelConfig:
    """Returns the model's configuration, as the flags give it.

    Raises:
        UserError: If a value is not possible.
    """
    values: dict[str, Any] = {"model": flags.FLAGS.model}
    for field in dataclasses.fields(MODEL_CONFIGS[flags.FLAGS.model]):
        if field.name == "model":
            continue
        value = flags.FLAGS[f"config.{field.name}"].value
        if isinstance(field.default, tuple):
            value = _sizes(field.name, str(value))
        values[field.name] = value
    return model_config_from_dict(values)


def _sizes(name: str, text: str) -> tuple[int, ...]:
    parts = text.strip("()[] ").split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise UserError(
            f"config.{name} must be whole numbers with commas between them, "
            f"such as --config.{name}=32,64. Received: {text}"
        )
    return tuple(int(part) for part in parts)


WEIGHTS_HELP = (
    "Weights of the run: last, or best, those of the lowest val_loss; unless "
    "given best if it was trained with --patience, else last."
)


def no_arguments(arguments: Sequence[str]) -> None:
    """Raises UserError where an app that takes only flags got more."""
    if arguments:
        raise UserError(
            f"Only flags are taken. Received: {' '.join(arguments)}"
        )


def refuse_flags(names: Sequence[str], why: str) -> None:
    """Raises UserError where one of the flags is given, to no effect.

    Args:
        names: Of the flags.
        why: What follows "--NAME does nothing".
    """
    for name in names:
        if flags.FLAGS[name].present:
            raise UserError(
                f"--{name} does nothing {why}: leave it out. "
                f"Received: --{name}={flags.FLAGS[name].value}"
            )


def split_cpu(num_devices: int) -> None:
    """Loads TensorFlow and splits the CPU into logical devices."""
    if num_devices < 1:
        raise UserError(
            "num_cpu_devices must be at least 1. "
            f"Received: --num_cpu_devices={num_devices}"
        )
    load_tensorflow()
    if num_devices == 1:
        return
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * num_devices
    )


def given_flags(*names: str) -> dict[str, Any]:
    """Returns the values of the named flags, those that are not None."""
    values = {name: flags.FLAGS[name].value for name in names}
    return {name: value for name, value in values.items() if value is not None}


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Returns `"H,W"` as (H, W), and None as None.

    Raises:
        UserError: If it is anything else.
    """
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 2 or not all(p.strip().isdecimal() for p in parts):
        raise UserError(
            "resize must be two whole numbers, height and width, such as "
            f"--resize=32,32. Received: --resize={text}"
        )
    return int(parts[0]), int(parts[1])
