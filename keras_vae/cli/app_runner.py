"""What the apps share: how they run, end, and tell of errors."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from absl import app, flags, logging

from keras_vae.cli import environment
from keras_vae.cli.setting_flags import explain_flag, import_flagged_parts
from keras_vae.errors import UserError, shortened
from keras_vae.io.failures import failure_of_machine

__all__ = [
    "WEIGHTS_HELP",
    "given_flags",
    "interruption_code",
    "no_arguments",
    "refuse_flags",
    "run",
    "split_cpu",
]

USAGE_ERROR = UserError.exit_code
_INTERRUPTED = {"SIGINT": 130, "SIGTERM": 143}
_DEFAULTS = {"SIGINT": signal.default_int_handler, "SIGTERM": signal.SIG_DFL}
# The signals that were received, where nothing has taken them over.
_received: list[str] = []


def run(
    main: Callable[[Sequence[str]], int | None],
    define_flags: Callable[[], None] = import_flagged_parts,
) -> None:
    """Runs an app: parses flags, calls `main`, and exits.

    A `UserError`, or a flag that is wrong, is printed as one short message
    without a traceback, and the exit code is the error's. So is a failure of
    the machine, wherever it arose; a mistake of the code has its traceback,
    and the exit code is 1. SIGINT and SIGTERM are raised as an exception, so
    that nothing half written stays, and end the app with a line.

    Args:
        main: Takes the arguments that are no flags; returns an exit code.
        define_flags: Defines those that depend on what `--import` names.
    """
    environment.prepare()
    for name, default in _DEFAULTS.items():
        # Who started the app may have it ignored.
        if signal.getsignal(signal.Signals[name]) is default:
            signal.signal(signal.Signals[name], _interrupt)

    def flushed(arguments: Sequence[str]) -> int | None:
        code = main(arguments[1:])
        sys.stdout.flush()
        return code

    with _told():
        define_flags()
        logging.set_verbosity(logging.WARNING)
        app.run(flushed, flags_parser=_parse)


def _interrupt(number: int, frame: Any) -> NoReturn:
    """Raises KeyboardInterrupt: what SIGINT cleans up, SIGTERM does too.

    The signal is kept as well. What is interrupted may raise an error of its
    own, which tells nothing of this one, as TensorFlow's C++ code does.
    """
    _received.append(signal.Signals(number).name)
    raise KeyboardInterrupt


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Ends the app where the body raises what is no mistake of the code."""
    _received.clear()
    try:
        yield
    except (KeyboardInterrupt, Exception) as error:
        received = _interruption(error)
        if received is not None:
            # Where nothing has taken it over, as training does.
            print(f"stopped by {received}", file=sys.stderr)
            sys.exit(interruption_code(received))
        if isinstance(error, UserError):
            _fail_with(error)
        if isinstance(error, BrokenPipeError):
            _end_unread()
        failure = failure_of_machine(error)
        if failure is None:
            raise
        _fail_with(failure)


def _interruption(error: BaseException | None) -> str | None:
    """Returns the signal that an error came of; None where there was none."""
    if _received:
        return _received[-1]
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return "SIGINT"
        error = error.__cause__ or error.__context__
    return None


def _parse(arguments: Sequence[str]) -> list[str]:
    try:
        try:
            return flags.FLAGS(arguments)
        except SystemExit:  # absl exits with 1 after --help.
            sys.stdout.flush()
            sys.exit(0)
    except BrokenPipeError:
        _end_unread()
    except flags.UnrecognizedFlagError as error:
        _fail(explain_flag(error) or str(error))
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
        print(f"error: {shortened(message)}", file=sys.stderr, flush=True)
    sys.exit(code)


def interruption_code(signal_name: str) -> int:
    """Returns the exit code that shells give to a process ended by a signal."""
    return _INTERRUPTED[signal_name]


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
    environment.load_tensorflow()
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
