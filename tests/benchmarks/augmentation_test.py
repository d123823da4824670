"""Tests of the measurement of augmentation."""

import numpy as np
import pytest

from benchmarks import augmentation
from benchmarks.records import figure


def test_rare_classes_keep_their_share():
    labels = np.repeat(np.arange(4), 200)
    rows = augmentation.rare_rows(labels, [1, 3], 0.01, seed=0)
    assert np.bincount(labels[rows]).tolist() == [200, 2, 200, 2]
    assert (np.diff(rows) > 0).all()
    others = augmentation.rare_rows(labels, [1, 3], 0.01, seed=1)
    assert rows.tolist() != others.tolist()


def test_copies_make_classes_equal():
    labels = np.array([0, 0, 0, 2, 2, 0])
    rows = augmentation.copied_rows(labels)
    assert np.bincount(labels[rows]).tolist() == [4, 0, 4]
    assert set(rows) == set(range(6))


def test_balanced_accuracy_counts_classes_not_images():
    labels = np.array([0] * 98 + [1] * 2)
    assert augmentation.balanced_accuracy(labels, np.zeros(100)) == 0.5
    assert augmentation.balanced_accuracy(labels, labels) == 1.0


def test_the_gain_is_of_the_same_seed():
    results = [
        {
            "seed": seed,
            "rare": [1, 2],
            "none": 0.5,
            "copies": 0.6 + seed / 10,
            "conditional_vae": 0.7 + seed / 10,
        }
        for seed in range(2)
    ]
    first, _, mean = augmentation.rows(results)
    assert first["label"] == "0: 1, 2"
    assert [str(first[name]) for name in ("none", "copies")] == [
        "0.5000",
        "0.6000",
    ]
    # Half the distance of two values is the error of their mean.
    assert mean["conditional_vae"] == figure(0.75, 0.05, 4)
    assert mean["gain"] == figure(0.1, 0.0, 4)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
