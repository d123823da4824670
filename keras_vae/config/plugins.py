"""Parts of a user's own: modules that register them."""

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Sequence

from keras_vae.config.registry import PartConfig, part_fields
from keras_vae.errors import UserError

__all__ = ["import_parts", "imports_of"]


def import_parts(
    modules: Sequence[str], first: Callable[[], object] | None = None
) -> None:
    """Imports the modules that register parts.

    Args:
        modules: Their names, as in an import statement.
        first: Called before the first of them, once all are found: most
            import TensorFlow.

    Raises:
        UserError: If there is no such module, or it fails; the message holds
            its own traceback.
    """
    for name in modules:
        _check_found(name)
    if modules and first is not None:
        first()
    for name in modules:
        try:
            importlib.import_module(name)
        except UserError as error:
            raise UserError(
                f"The module of --import={name} cannot be used. {error}"
            ) from error
        except (Exception, SystemExit) as error:
            if _is_missing(name, error):
                raise _no_module(name) from error
            raise _failed(name, error) from error


def _check_found(name: str) -> None:
    """Raises UserError unless there is such a module, or a package of it."""
    if not all(word.isidentifier() for word in name.split(".")):
        raise UserError(
            "A module is named as in an import statement, such as "
            f"my_parts. Received: --import={name}"
        )
    top = name.partition(".")[0]
    if top not in sys.modules and importlib.util.find_spec(top) is None:
        raise _no_module(name)


def _no_module(name: str) -> UserError:
    return UserError(
        f"There is no module {name}: it must lie in the current folder or be "
        f"installed. Received: --import={name}"
    )


def _is_missing(name: str, error: BaseException) -> bool:
    """Whether it is the module itself, or a package of it, that is missing."""
    return isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(
        f"{error.name}."
    )


def _failed(name: str, error: BaseException) -> UserError:
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "importlib" not in frame.filename
    ]
    lines = [
        "Traceback (most recent call last):\n",
        *traceback.format_list(frames),
        *traceback.format_exception_only(error),
    ]
    return UserError(
        f"The module of --import={name} fails:\n{''.join(lines)}"
        f"Mend the module. Received: --import={name}"
    )


def imports_of(config: PartConfig) -> list[str]:
    """Returns the modules that registered a model's parts, if not our own.

    What a script or a notebook itself defines is in none that another process
    could import.
    """
    parts = [config, *(getattr(config, f.name) for f in part_fields(config))]
    modules = {type(part).__module__ for part in parts}
    return sorted(
        name
        for name in modules
        if name.partition(".")[0] not in ("keras_vae", "__main__")
    )
