"""Errors whose message is meant for the person at the command line."""

import difflib
import os
from collections.abc import Callable, Iterable
from typing import Any

__all__ = [
    "OutOfMemoryError",
    "StorageError",
    "UserError",
    "did_you_mean",
    "printable",
    "shortened",
    "shown",
]

_LONGEST_LINE = 1500
_KEPT = 600
_MOST_NAMES = 15


class UserError(ValueError):
    """Something that the user asked for cannot be done, and why.

    The apps print the message without a traceback and exit with `exit_code`,
    so the message names what is wrong, what was received and what to do. What
    was received may be of any length: the message is `shortened`.

    Attributes:
        exit_code: Of an app that ends by it.
        report: Figures that were computed and could not be written; an app
            prints them first.
    """

    exit_code = 2
    report = ""

    def __init__(self, message: str = ""):
        super().__init__(shortened(message))


class StorageError(UserError):
    """What was asked for is right, but files cannot be written or read.

    The disk is full or read-only, or a folder was removed under way.
    """

    exit_code = 3


class OutOfMemoryError(UserError):
    """What was asked for is right, but there is not enough memory for it."""

    exit_code = 4


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns a hint with the names nearest to `name`.

    Args:
        name: What the user wrote.
        known: The names that exist.

    Returns:
        `"Did you mean 'mnist'?"` where a name is near, else
        `"Known: a, b, c."`, the first of them where they are many.
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return "Did you mean " + " or ".join(f"{n!r}" for n in near) + "?"
    more = len(known) - _MOST_NAMES
    rest = f" and {more} more" if more > 0 else ""
    return f"Known: {', '.join(known[:_MOST_NAMES])}{rest}."


def shortened(message: str) -> str:
    """Returns a message whose long lines have dots in their middle."""
    lines = message.split("\n")
    return "\n".join(
        line
        if len(line) <= _LONGEST_LINE
        else f"{line[:_KEPT]} ... {line[-_KEPT:]}"
        for line in lines
    )


def shown(value: Any, text: Callable[[Any], str] = str) -> str:
    """Returns a value of any kind as text for a message.

    Args:
        value: What was received.
        text: `str` or `repr`; Python has neither of a number of thousands of
            digits.
    """
    try:
        return text(value)
    except ValueError:
        return "a number of thousands of digits"


def printable(name: str | os.PathLike[str]) -> str:
    """Returns a file's name for a message of one line.

    A name may hold a line break, or bytes that are no text; such characters
    are shown as escapes.
    """
    text = os.fspath(name)
    return text if text.isprintable() else ascii(text)[1:-1]
