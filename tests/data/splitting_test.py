"""Tests of how splits are cut."""

import numpy as np
import pytest

from keras_vae.config.data_config import DataConfig
from keras_vae.data.contents import Contents
from keras_vae.data.splitting import keep_splits, plan_splits
from keras_vae.errors import UserError


def _sizes(plan):
    return {name: len(positions) for name, (_, positions) in plan.items()}


def test_mnist_is_cut_55000_5000_10000():
    plan = plan_splits({"train": 60000, "test": 10000}, DataConfig())
    assert _sizes(plan) == {"train": 55000, "validation": 5000, "test": 10000}
    assert [plan[name][0] for name in plan] == ["train", "train", "test"]


def test_cuts_do_not_overlap_and_cover_all():
    plan = plan_splits({"train": 103}, DataConfig(validation_size=17))
    assert _sizes(plan) == {"train": 76, "validation": 17, "test": 10}
    together = np.concatenate([positions for _, positions in plan.values()])
    assert sorted(together) == list(range(103))
    for _, positions in plan.values():
        assert np.all(np.diff(positions) > 0)


def test_test_split_does_not_depend_on_validation_size():
    plans = [
        plan_splits({"train": 100}, DataConfig(validation_size=size))
        for size in (5, 50)
    ]
    np.testing.assert_array_equal(plans[0]["test"][1], plans[1]["test"][1])


def test_cut_depends_on_the_seed_alone():
    plans = [
        plan_splits({"train": 100}, DataConfig(seed=seed)) for seed in (1, 1, 2)
    ]
    cuts = [plan["validation"][1].tolist() for plan in plans]
    assert cuts[0] == cuts[1]
    assert cuts[0] != cuts[2]


def test_splits_of_the_source_are_used_as_they_are():
    sizes = {"train": 20, "validation": 6, "test": 4}
    plan = plan_splits(sizes, DataConfig(validation_size=3))
    assert _sizes(plan) == sizes
    assert all(name == source for name, (source, _) in plan.items())


def test_only_split_may_have_any_name():
    assert plan_splits({"full": 30}, DataConfig())["train"][0] == "full"


def test_split_without_images_is_as_good_as_missing():
    sizes = {"train": 100, "validation": 0, "test": 4}
    plan = plan_splits(sizes, DataConfig())
    assert _sizes(plan) == {"train": 90, "validation": 10, "test": 4}


_NAMES = [f"{number:03}" for number in range(100)]


def _digests(names):
    return {name: f"contents of {name}" for name in names}


def _first_cut():
    plan = plan_splits({"images": 100}, DataConfig(validation_size=20))
    splits = {
        _NAMES[position]: split
        for split, (_, positions) in plan.items()
        for position in positions
    }
    return plan, Contents(_digests(_NAMES), splits)


def _kept(names, digests=None, recorded=None, seed=0):
    """Returns the split of each file of a folder that has changed."""
    plan = plan_splits({"images": len(names)}, DataConfig(validation_size=20))
    kept = keep_splits(
        plan,
        {"images": names},
        digests or _digests(names),
        recorded or _first_cut()[1],
        seed,
    )
    found = {
        names[position]: split
        for split, (source, positions) in kept.items()
        for position in positions
        if source == "images"
    }
    assert sum(len(positions) for _, positions in kept.values()) == len(names)
    return found


def test_kept_splits_of_what_has_not_changed_are_the_first_cut():
    plan, recorded = _first_cut()
    kept = keep_splits(
        plan, {"images": _NAMES}, recorded.digests, recorded, seed=0
    )
    for split, (source, positions) in plan.items():
        assert kept[split][0] == source
        np.testing.assert_array_equal(kept[split][1], positions)


def test_files_that_come_and_go_move_no_other_file():
    recorded = _first_cut()[1]
    names = sorted([*_NAMES[10:], "000a", "050a", "zzz"])
    found = _kept(names)
    for name in _NAMES[10:]:
        assert found[name] == recorded.splits[name]
    # What becomes of a new file does not depend on the other new ones.
    for name in ("000a", "050a", "zzz"):
        assert _kept(sorted([*_NAMES, name]))[name] == found[name]


def test_copy_of_a_training_image_is_for_training():
    recorded = _first_cut()[1]
    for split in ("train", "validation", "test"):
        copied = next(n for n in _NAMES if recorded.splits[n] == split)
        digests = {**_digests(_NAMES), "copy": _digests([copied])[copied]}
        assert _kept([*_NAMES, "copy"], digests)["copy"] == split


def test_images_that_change_their_names_keep_their_splits():
    recorded = _first_cut()[1]
    # Each file has the contents of the one before: all names are known.
    digests = {
        name: recorded.digests[_NAMES[index - 1]]
        for index, name in enumerate(_NAMES)
    }
    found = _kept(_NAMES, digests)
    for index, name in enumerate(_NAMES):
        assert found[name] == recorded.splits[_NAMES[index - 1]]


def test_new_contents_have_the_split_of_their_name():
    recorded = _first_cut()[1]
    digests = {name: f"new contents of {name}" for name in _NAMES}
    assert _kept(_NAMES, digests) == recorded.splits


def test_new_contents_are_in_one_split():
    recorded = _first_cut()[1]
    names = {split: name for name, split in recorded.splits.items()}
    digests = {
        **_digests(_NAMES),
        names["train"]: "new",
        names["test"]: "new",
        "copy": "new",
        names["validation"]: "newer",
        "another copy": "newer",
    }
    files = sorted(digests)
    found = _kept(files, digests)
    for name in (names["train"], names["test"], "copy"):
        assert found.pop(name) == "train"
    for name in (names["validation"], "another copy"):
        assert found.pop(name) == "validation"
    assert found == {name: recorded.splits[name] for name in found}


def test_equal_images_of_two_splits_stay_where_they_are():
    recorded = _first_cut()[1]
    equal = Contents(dict.fromkeys(_NAMES, "grey"), recorded.splits)
    assert _kept(_NAMES, equal.digests, equal) == recorded.splits


def test_file_that_was_there_once_keeps_its_split():
    recorded = _first_cut()[1]
    former = dict.fromkeys(["gone 0", "gone 1"], "test")
    recorded = Contents(recorded.digests, recorded.splits, former)
    names = [*_NAMES, *(f"new {number}" for number in range(3))]
    digests = {**_digests(names), "new 0": "gone 0", "new 1": "gone 1"}
    found = _kept(names, digests, recorded)
    assert found["new 0"] == found["new 1"] == "test"


def test_new_files_go_to_splits_by_their_shares():
    new = [f"new {number}" for number in range(3000)]
    found = _kept([*_NAMES, *new])
    shares = [
        np.mean([found[name] == split for name in new])
        for split in ("train", "validation", "test")
    ]
    # 5 standard deviations of a share of 3,000: at most one failure in 10^6.
    for share, expected in zip(shares, (0.7, 0.2, 0.1), strict=True):
        spread = np.sqrt(expected * (1 - expected) / 3000)
        assert share == pytest.approx(expected, abs=5 * spread)
    other = _kept([*_NAMES, *new], seed=1)
    assert any(found[name] != other[name] for name in new)


def test_new_files_that_are_equal_are_together():
    new = [f"copy {number}" for number in range(60)]
    digests = {**_digests(_NAMES), **dict.fromkeys(new, "grey")}
    found = _kept([*_NAMES, *new], digests)
    assert len({found[name] for name in new}) == 1


def test_new_file_may_have_any_name():
    assert _kept(
        [*_NAMES, "\udcff.png"], _digests([*_NAMES]) | {"\udcff.png": "new"}
    )["\udcff.png"] in ("train", "validation", "test")


def _sorted_into_folders(split_of_new):
    """Returns what is kept of the first cut, sorted into train/ and test/."""
    recorded = _first_cut()[1]
    names = {"train": [], "test": []}
    digests = {}
    for name in _NAMES:
        folder = "test" if recorded.splits[name] == "test" else "train"
        names[folder].append(f"{folder}/{name}")
        digests[f"{folder}/{name}"] = recorded.digests[name]
    for name, (folder, digest) in split_of_new.items():
        names[folder].append(name)
        digests[name] = digest
    sizes = {split: len(some) for split, some in names.items()}
    plan = plan_splits(sizes, DataConfig(validation_size=5))
    kept = keep_splits(plan, names, digests, recorded, seed=0)
    return {
        names[source][position]: split
        for split, (source, positions) in kept.items()
        for position in positions
    }


def test_images_sorted_into_the_folders_of_their_splits_keep_them():
    recorded = _first_cut()[1]
    found = _sorted_into_folders({"test/new": ("test", "new")})
    assert found.pop("test/new") == "test"
    assert {
        name.split("/")[1]: split for name, split in found.items()
    } == recorded.splits


def test_new_images_beside_a_test_folder_are_for_training_or_validation():
    new = {f"train/{i}": ("train", f"new {i}") for i in range(300)}
    found = _sorted_into_folders(new)
    assert {found[name] for name in new} == {"train", "validation"}


@pytest.mark.parametrize(
    ("was", "folder"),
    [("test", "train"), ("train", "test"), ("validation", "test")],
)
def test_image_in_the_folder_of_another_split_is_refused(was, folder):
    recorded = _first_cut()[1]
    name = next(n for n in _NAMES if recorded.splits[n] == was)
    moved = {"moved": (folder, recorded.digests[name])}
    with pytest.raises(
        UserError, match=rf"{was.capitalize()} images.*{folder}"
    ):
        _sorted_into_folders(moved)


def test_image_that_was_moved_under_its_name_is_refused():
    recorded = Contents(
        {"train/a": "a", "train/b": "b", "train/c": "c", "test/d": "d"},
        {
            "train/a": "train",
            "train/b": "train",
            "train/c": "validation",
            "test/d": "test",
        },
    )
    plan = plan_splits({"train": 4}, DataConfig(validation_size=1))
    names = {"train": ["train/a", "train/b", "train/c", "train/d"]}
    digests = {name: name[-1] for name in names["train"]}
    # Where test/ is gone, the test images are cut from what is in train/.
    kept = keep_splits(plan, names, digests, recorded, seed=0)
    assert kept["test"][1].tolist() == [3]
    plan = plan_splits({"train": 4, "test": 1}, DataConfig(validation_size=1))
    names["test"] = ["test/e"]
    with pytest.raises(UserError, match=r"Test images .* train .*train/d"):
        keep_splits(plan, names, digests | {"test/e": "e"}, recorded, seed=0)


def test_split_of_which_nothing_is_left_is_named():
    recorded = _first_cut()[1]
    names = [n for n in _NAMES if recorded.splits[n] == "train"]
    with pytest.raises(UserError, match="No image of the .* split is left"):
        _kept(names)


@pytest.mark.parametrize(
    ("sizes", "config", "message"),
    [
        ({"test": 10}, DataConfig(), 'must have a split "train"'),
        ({"a": 10, "b": 10}, DataConfig(), 'must have a split "train"'),
        ({"train": 2}, DataConfig(), "nothing to train on"),
        (
            {"train": 60, "test": 9},
            DataConfig(validation_size=60),
            "validation_size",
        ),
    ],
)
def test_bad_splits_are_named(sizes, config, message):
    with pytest.raises(UserError, match=message):
        plan_splits(sizes, config)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
