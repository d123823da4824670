"""Which images are for training, for validation and for testing."""

from collections.abc import Mapping

import numpy as np

from keras_vae.data.config import DataConfig
from keras_vae.errors import UserError

__all__ = ["plan_splits"]

_SPLITS = ("train", "validation", "test")
_MAX_HELD_OUT = 5000


def plan_splits(
    sizes: Mapping[str, int], config: DataConfig
) -> dict[str, tuple[str, np.ndarray]]:
    """Decides where each split takes its images from.

    A split that the source has is used as it is. One that it lacks is cut
    from the source's training split by a permutation that `config.seed`
    seeds: first the test images, then those for validation, the rest is for
    training. A cut takes a tenth of the images, at most 5,000, or
    `config.validation_size`.

    Args:
        sizes: Number of images in each split of the source.
        config: Gives `validation_size` and `seed`.

    Returns:
        plan: for "train", "validation" and "test" the name of the source's
        split and the positions in it, int64, ascending.

    Raises:
        UserError: When there is nothing to train on.
    """
    source = _training_source(sizes)
    total = sizes[source]
    default = max(1, min(_MAX_HELD_OUT, total // 10))
    cuts = {}
    if "test" not in sizes:
        cuts["test"] = default
    if "validation" not in sizes:
        cuts["validation"] = config.validation_size or default
    if sum(cuts.values()) >= total:
        raise UserError(
            f"validation_size leaves nothing to train on: the {source!r} "
            f"split has {total} images, and {' and '.join(cuts)} take "
            f"{sum(cuts.values())} of them. "
            f"Received: validation_size={config.validation_size}"
        )
    order = np.random.RandomState(config.seed).permutation(total)
    plan = {}
    for split, size in cuts.items():
        plan[split] = (source, np.sort(order[:size]))
        order = order[size:]
    plan["train"] = (source, np.sort(order))
    for split in _SPLITS:
        if split not in plan:
            plan[split] = (split, np.arange(sizes[split]))
    return {split: plan[split] for split in _SPLITS}


def _training_source(sizes: Mapping[str, int]) -> str:
    filled = [name for name, size in sizes.items() if size]
    if "train" in filled:
        return "train"
    if len(filled) == 1 and filled[0] not in _SPLITS:
        return filled[0]
    raise UserError(
        'dataset must have a split "train", or one split only. Received: '
        f"a dataset with splits {dict(sizes)}"
    )
