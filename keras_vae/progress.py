"""`ImageBar`: how many images are done, and how long the rest will take."""

import sys
from typing import TextIO

from tqdm import tqdm

__all__ = ["ImageBar"]

# Where all is done sooner there is nothing to show.
_DELAY = 1.0


class ImageBar(tqdm):
    """A bar that moves, on a terminal only and not within the first second.

    Args:
        total: How many images there are.
        what: What is done to them, such as `scored`; stands before the bar.
        stream: Where it is shown; standard error unless given.

    Example:
        >>> with ImageBar(1000, "scored") as bar:
        ...     bar.update(100)  # 100 more
        ...     bar.reach(300)   # 300 in all
    """

    def __init__(self, total: int, what: str, stream: TextIO | None = None):
        stream = stream or sys.stderr
        super().__init__(
            total=total,
            desc=what,
            unit=" images",
            file=stream,
            disable=not stream.isatty(),
            delay=_DELAY,
        )

    def reach(self, done: int, after: int = 0) -> None:
        """Shows that `done` images are done in all, after `after` others."""
        self.update(after + done - self.n)
