"""What a user should know and need not act on: a line on standard error."""

import sys
from collections.abc import Sequence

from keras_vae.errors import printable

__all__ = ["counted", "first_names", "note"]

_SHOWN = 3
_said: set[str] = set()


def note(text: str) -> None:
    """Prints a line to standard error, after "note: ".

    The same line once in a process: a command that trains, evaluates and
    exports comes across the same thing several times.
    """
    if text not in _said:
        _said.add(text)
        print(f"note: {text}", file=sys.stderr)


def first_names(names: Sequence[str]) -> str:
    """Returns `"a, b, c, ..."`: the first names, and whether there are more."""
    shown = [printable(name) for name in names[:_SHOWN]]
    return ", ".join(shown + ["..."] * (len(names) > _SHOWN))


def counted(count: int, one: str, several: str | None = None) -> str:
    """Returns `"1 image"`, `"2,000 images"`.

    Args:
        count: How many.
        one: What one is called.
        several: What others are called; `one` and an "s" unless given.
    """
    return f"{count:,} {one if count == 1 else several or one + 's'}"
