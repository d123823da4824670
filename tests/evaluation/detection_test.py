"""Tests of AUROC, its standard error, and average precision."""

import math

import numpy as np
import pytest
import scipy.stats

from keras_vae.evaluation import detection


def _pairs(inliers, outliers):
    """Returns 1 where an outlier is above an inlier, 1/2 where they tie."""
    difference = np.subtract.outer(outliers, inliers)
    return (difference > 0) + 0.5 * (difference == 0)


def _scores(seed, num_inliers, num_outliers, levels):
    """Returns scores with many ties."""
    random = np.random.default_rng(seed)
    return (
        random.integers(0, levels, num_inliers),
        random.integers(levels // 4, levels + levels // 4, num_outliers),
    )


@pytest.mark.parametrize("sizes", [(2, 2), (7, 3), (3, 50), (60, 40)])
@pytest.mark.parametrize("levels", [4, 1000])
def test_auroc_is_the_share_of_pairs_in_order(sizes, levels):
    for seed in range(5):
        inliers, outliers = _scores(seed, *sizes, levels)
        found = detection(inliers, outliers)
        assert found.auroc == pytest.approx(_pairs(inliers, outliers).mean())
        assert (found.num_inliers, found.num_outliers) == sizes


@pytest.mark.parametrize("sizes", [(2, 2), (7, 3), (60, 40)])
def test_standard_error_is_delongs(sizes):
    inliers, outliers = _scores(3, *sizes, 10)
    pairs = _pairs(inliers, outliers)
    # DeLong et al. 1988, equations 4 and 5, from all pairs.
    expected = math.sqrt(
        pairs.mean(axis=1).var(ddof=1) / len(outliers)
        + pairs.mean(axis=0).var(ddof=1) / len(inliers)
    )
    found = detection(inliers, outliers)
    assert found.standard_error == pytest.approx(expected)


def test_gaussian_scores_have_their_known_auroc_and_spread():
    # Phi(d / sqrt(2)) for two normal distributions at a distance d.
    random = np.random.default_rng(0)
    expected = scipy.stats.norm.cdf(1 / math.sqrt(2))
    repeats = 300
    found = [
        detection(random.normal(size=80), 1 + random.normal(size=60))
        for _ in range(repeats)
    ]
    aurocs = np.array([each.auroc for each in found])
    errors = np.array([each.standard_error for each in found])
    spread = aurocs.std(ddof=1)
    # 5 standard errors of a mean and of a standard deviation: 6e-7.
    assert abs(aurocs.mean() - expected) < 5 * spread / math.sqrt(repeats)
    ratio = math.sqrt(np.mean(errors**2)) / spread
    assert abs(ratio - 1) < 5 / math.sqrt(2 * repeats)


def test_limits():
    low, high, same = np.zeros(3), np.ones(2), np.full(2, 0.0)
    assert detection(low, high).auroc == 1.0
    assert detection(low, high).standard_error == 0.0
    assert detection(low, high).average_precision == 1.0
    assert detection(high, low).auroc == 0.0
    assert detection(low, same).auroc == 0.5
    assert detection(low, same).average_precision == pytest.approx(2 / 5)
    assert detection(np.array([0, 2]), np.array([2, 1])).auroc == (
        pytest.approx((0.5 + 1 + 0 + 1) / 4)
    )


def test_auroc_depends_on_the_order_alone():
    inliers, outliers = _scores(0, 30, 20, 50)
    first = detection(inliers, outliers)
    second = detection(np.exp(inliers / 9.0), np.exp(outliers / 9.0))
    assert first == second
    turned = detection(-inliers, -outliers)
    assert turned.auroc == pytest.approx(1 - first.auroc)
    assert turned.standard_error == pytest.approx(first.standard_error)


@pytest.mark.parametrize("levels", [4, 1000])
def test_average_precision_is_that_of_all_thresholds(levels):
    for seed in range(5):
        inliers, outliers = _scores(seed, 25, 15, levels)
        expected, recall_before = 0.0, 0.0
        for threshold in sorted({*inliers, *outliers}, reverse=True):
            hits = np.sum(outliers >= threshold)
            precision = hits / (hits + np.sum(inliers >= threshold))
            recall = hits / len(outliers)
            expected += (recall - recall_before) * precision
            recall_before = recall
        found = detection(inliers, outliers)
        assert found.average_precision == pytest.approx(expected)


@pytest.mark.parametrize(
    ("inliers", "outliers", "name"),
    [
        ([1.0], [1.0, 2.0], "inliers"),
        ([1.0, 2.0], [], "outliers"),
        ([1.0, np.nan], [1.0, 2.0], "inliers"),
        ([1.0, 2.0], [[1.0, 2.0]], "outliers"),
    ],
)
def test_too_few_scores_and_nan_are_named(inliers, outliers, name):
    with pytest.raises(ValueError, match=f"`{name}` must be.*Received"):
        detection(inliers, outliers)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
