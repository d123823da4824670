"""What a user should know and need not act on: a line on standard error."""

import sys
from collections.abc import Sequence

from keras_vae.errors import printable

__all__ = ["first_names", "note"]

_SHOWN = 3


def note(text: str) -> None:
    """Prints a line to standard error, after "note: "."""
    print(f"note: {text}", file=sys.stderr)


def first_names(names: Sequence[str]) -> str:
    """Returns `"a, b, c, ..."`: the first names, and whether there are more."""
    shown = [printable(name) for name in names[:_SHOWN]]
    return ", ".join(shown + ["..."] * (len(names) > _SHOWN))
