"""Which images are for training, for validation and for testing."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from keras_vae.config.data_config import DataConfig
from keras_vae.data.contents import Contents
from keras_vae.errors import UserError
from keras_vae.notes import counted, first_names

__all__ = ["keep_splits", "plan_splits"]

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
        sizes: Number of images in each split of the source; one that has none
            is as good as missing.
        config: Gives `validation_size` and `seed`.

    Returns:
        plan: for "train", "validation" and "test" the name of the source's
        split and the positions in it, int64, ascending.

    Raises:
        UserError: When there is nothing to train on.
    """
    source = _training_source(sizes)
    sizes = {name: size for name, size in sizes.items() if size}
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
            f"split has {counted(total, 'image')}, and "
            f"{' and '.join(cuts)} take {sum(cuts.values())} of them. "
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


def keep_splits(
    plan: Mapping[str, tuple[str, np.ndarray]],
    names: Mapping[str, Sequence[str]],
    digests: Mapping[str, str],
    recorded: Contents,
    seed: int,
) -> dict[str, tuple[str, np.ndarray]]:
    """Returns the plan in which every file that is known keeps its split.

    A file that is as it was has the split that it had. One that is not is known
    by its contents, whatever its name is now: an image that was trained on
    stays one, and so does a copy of it. New contents under a name that is known
    have the split of that name, under several names the first of training,
    validation and test; other files go to one of the splits by a hash of their
    contents, as probable as the split's share of the recorded files. So equal
    files are together, and the split of some contents is a function of the
    files that have them and of the record: no other file that comes or goes can
    change it.

    Args:
        plan: What `plan_splits` returned.
        names: Names of the files of each split of the source.
        digests: Digest of each file by its name.
        recorded: What the files were, with their splits.
        seed: Of the hash.

    Raises:
        UserError: If a file now lies in the folder of another split than it
            had, or a split has no image left.
    """
    source = plan["train"][0]
    cut = [split for split, (origin, _) in plan.items() if origin == source]
    known = {
        name: split
        for some in names.values()
        for name in some
        if (split := _known_split(name, digests[name], recorded))
    }
    _check_folders(plan, names, known, cut)
    counts = Counter(recorded.splits.values())
    shares = {split: counts[split] for split in cut}
    changed = _split_by_new_digest(names[source], digests, known, recorded)
    chosen = np.array(
        [
            changed.get(digests[name])
            or known.get(name)
            or _draw(digests[name], shares, seed)
            for name in names[source]
        ]
    )
    kept = {
        split: (source, np.flatnonzero(chosen == split))
        if split in cut
        else origin_and_positions
        for split, origin_and_positions in plan.items()
    }
    for split, (_, positions) in kept.items():
        if not len(positions):
            raise UserError(
                f"No image of the {split} split is left: put some back. "
                f"Received: {counted(len(chosen), 'image')}"
            )
    return kept


def _known_split(name: str, digest: str, recorded: Contents) -> str | None:
    """Returns the split that a file had, by its contents before its name."""
    split = recorded.splits.get(name)
    if digest == recorded.digests.get(name):
        return split
    return recorded.split_by_digest.get(digest, split)


def _split_by_new_digest(
    names: Sequence[str],
    digests: Mapping[str, str],
    known: Mapping[str, str],
    recorded: Contents,
) -> dict[str, str]:
    """Returns the split of contents that are new, under names that are not."""
    pairs = [
        (digests[name], known[name])
        for name in names
        if name in known and digests[name] not in recorded.split_by_digest
    ]
    pairs.sort(key=lambda pair: _SPLITS.index(pair[1]), reverse=True)
    return dict(pairs)


def _check_folders(
    plan: Mapping[str, tuple[str, np.ndarray]],
    names: Mapping[str, Sequence[str]],
    known: Mapping[str, str],
    cut: Sequence[str],
) -> None:
    """Raises UserError where a file lies in the folder of another split."""
    for split, (origin, _) in plan.items():
        allowed = cut if split in cut else [split]
        moved = [n for n in names[origin] if known.get(n, split) not in allowed]
        if moved:
            raise UserError(
                f"{known[moved[0]].capitalize()} images of the run are now in "
                f"the folder of the {split} images: move them back, or begin "
                f"a new run in another --workdir. Received: "
                f"{first_names(moved)}"
            )


def _draw(digest: str, shares: Mapping[str, int], seed: int) -> str:
    """Returns a split drawn by a hash of contents, in proportion to shares."""
    drawn = hashlib.blake2b(f"{seed}/{digest}".encode(), digest_size=8).digest()
    place = int.from_bytes(drawn, "big") / 2**64 * sum(shares.values())
    for split, share in shares.items():
        if place < share:
            return split
        place -= share
    return "train"


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
