"""The rows of a request: how many they are, and their seeds."""

from typing import Any

import numpy as np

from keras_vae.serving.setting_checks import whole_number

__all__ = ["MAX_SEED", "count_rows", "row_seeds"]

MAX_SEED = 2**31 - 1


def count_rows(values: Any) -> int:
    """Returns the number of rows; of what has none, 1: refused later."""
    try:
        return len(values)
    except TypeError:
        return 1


def row_seeds(seed: int, num: int, start: int = 0) -> np.ndarray:
    """Returns the seeds `[seed, start + i]` of rows, int32 `[num, 2]`.

    Raises:
        UserError: If the seed is no int32 of at least 0.
    """
    whole_number("seed", seed, 0, MAX_SEED)
    rows = np.empty([num, 2], np.int32)
    rows[:, 0] = seed
    rows[:, 1] = np.arange(start, start + num)
    return rows
