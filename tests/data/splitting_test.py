"""Tests of how splits are cut."""

import numpy as np
import pytest

from keras_vae.data.config import DataConfig
from keras_vae.data.splitting import plan_splits
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
