"""Keras finds the classes of the package, before they are imported.

`keras.models.load_model` looks a class up among those that are registered, and
a class is registered where its module is imported, which takes seconds. So
`import keras_vae` imports none: it makes Keras's table of registered classes
import them when it is first asked for one. Keras itself is not imported either;
the table is changed when somebody does.
"""

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["register_lazily"]

_TABLE_MODULE = "keras.src.saving.object_registration"
_TABLE = "GLOBAL_CUSTOM_OBJECTS"
_PREFIX = "keras_vae>"
_ROOMS = ("models", "training")


def register_lazily() -> None:
    """Makes Keras import the package when it looks for one of its classes."""
    module = sys.modules.get(_TABLE_MODULE)
    if module is None:
        sys.meta_path.insert(0, _Watcher())
    else:
        _change(module)


class _Classes(dict[str, Any]):
    """Keras's table, which imports the package when it misses a class."""

    def __contains__(self, name: object) -> bool:
        for room in _ROOMS:
            if super().__contains__(name) or not self._is_ours(name):
                break
            importlib.import_module(f"{__package__}.{room}")
        return super().__contains__(name)

    @staticmethod
    def _is_ours(name: object) -> bool:
        return isinstance(name, str) and name.startswith(_PREFIX)


def _change(module: ModuleType) -> None:
    setattr(module, _TABLE, _Classes(getattr(module, _TABLE)))


class _Watcher:
    """Changes the table once Keras has made it."""

    def find_spec(
        self, name: str, path: Any = None, target: Any = None
    ) -> ModuleSpec | None:
        if name != _TABLE_MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            loader, execute = spec.loader, spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                _change(module)

            loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
