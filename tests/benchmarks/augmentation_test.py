"""Tests of the measurement of augmentation."""

import numpy as np
import pytest

from benchmarks import augmentation


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
    rows = [
        {
            "seed": seed,
            "rare": [1, 2],
            "no augmentation": 0.5,
            "copies": 0.6 + seed / 10,
            "conditional VAE": 0.7 + seed / 10,
        }
        for seed in range(2)
    ]
    text = augmentation.table(rows)
    assert "| 0: 1, 2 | 0.5000 | 0.6000 | 0.7000 |" in text
    # Half the distance of two values is the error of their mean.
    assert "0.5000 ± 0.0000 | 0.6500 ± 0.0500 | 0.7500 ± 0.0500 |" in text
    assert "+0.1000 ± 0.0000." in text


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
