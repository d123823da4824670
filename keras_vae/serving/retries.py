"""Tries again, after a while, what may succeed then."""

import random
import threading
from collections.abc import Callable
from typing import TypeVar

from keras_vae.serving.backend import UnavailableError

__all__ = ["Retries"]

_T = TypeVar("_T")

_FIRST_DELAY = 0.1
_LONGEST_DELAY = 5.0


class Retries:
    """Calls a function until it succeeds, a bounded number of times.

    The delay before try i is drawn from U(0.5, 1) * min(0.1 * 2**i, 5)
    seconds: it doubles, and clients that failed together do not come back
    together. Only `UnavailableError` is worth another try.

    Args:
        count: Further tries after the first; 0 for none.
        seed: Of the delays; None takes one from the system, so that every
            process has its own.

    References:
        Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015:
        its "equal jitter".
    """

    def __init__(self, count: int, seed: int | None = None):
        self.count = count
        self.seed = seed
        self._random = random.Random(seed)
        self._closed = threading.Event()

    def __call__(self, function: Callable[[], _T]) -> _T:
        """Returns what `function` returns.

        Raises:
            UnavailableError: Of the last try, which says how many there were.
        """
        for tried in range(self.count):
            try:
                return function()
            except UnavailableError:
                if self._closed.wait(self.delay(tried)):
                    raise
        try:
            return function()
        except UnavailableError as error:
            if not self.count:
                raise
            tries = f"{error} ({self.count + 1} tries)"
            raise UnavailableError(tries) from error

    def delay(self, tried: int) -> float:
        """Returns the seconds to wait after `tried` + 1 failures."""
        longest = min(_FIRST_DELAY * 2.0**tried, _LONGEST_DELAY)
        return longest * self._random.uniform(0.5, 1.0)

    def close(self) -> None:
        """Ends the waiting: what failed is not tried again."""
        self._closed.set()
