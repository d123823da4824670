"""How well a score tells outliers from inliers: AUROC, average precision."""

import dataclasses
import math

import numpy as np
import scipy.stats

__all__ = ["Detection", "detection"]


@dataclasses.dataclass(frozen=True)
class Detection:
    """What a score is worth that should be higher for outliers.

    Attributes:
        auroc: Area under the receiver operating characteristic: the
            probability that an outlier has a higher score than an inlier, a
            tie counting one half. 0.5 is chance.
        standard_error: Of `auroc`, over draws of both kinds of images. It is
            0 where all outliers are above all inliers, or all below: the
            estimate sees no spread there.
        average_precision: Precision averaged over the steps of recall, the
            outliers being the positives. Chance is their share,
            `num_outliers / (num_outliers + num_inliers)`.
        num_inliers: Number of inliers.
        num_outliers: Number of outliers.
    """

    auroc: float
    standard_error: float
    average_precision: float
    num_inliers: int
    num_outliers: int


def detection(inliers: np.ndarray, outliers: np.ndarray) -> Detection:
    """Compares the scores of inliers and of outliers.

    Args:
        inliers: `[num_inliers]`, at least two; higher is more unusual.
        outliers: `[num_outliers]`, at least two.

    Raises:
        ValueError: If there are fewer, or a score is NaN.

    References:
        Mann and Whitney (1947): U / (m n) is the AUROC. DeLong, DeLong and
        Clarke-Pearson (1988), Comparing the areas under two or more
        correlated receiver operating characteristic curves, equation 5: the
        standard error; by ranks as Sun and Xu (2014), Fast implementation of
        DeLong's algorithm.
    """
    inliers = np.asarray(inliers, np.float64)
    outliers = np.asarray(outliers, np.float64)
    for name, scores in (("inliers", inliers), ("outliers", outliers)):
        if scores.ndim != 1 or len(scores) < 2 or np.isnan(scores).any():
            raise ValueError(
                f"`{name}` must be two scores or more, none of them NaN. "
                f"Received: {scores}"
            )
    test = scipy.stats.mannwhitneyu(outliers, inliers, method="asymptotic")
    pairs = len(inliers) * len(outliers)
    return Detection(
        auroc=float(test.statistic / pairs),
        standard_error=_standard_error(inliers, outliers),
        average_precision=_average_precision(inliers, outliers),
        num_inliers=len(inliers),
        num_outliers=len(outliers),
    )


def _standard_error(inliers: np.ndarray, outliers: np.ndarray) -> float:
    m, n = len(outliers), len(inliers)
    ranks = scipy.stats.rankdata(np.concatenate([outliers, inliers]))
    # Share of the inliers below each outlier, and of the outliers above each
    # inlier; ties count one half.
    below = (ranks[:m] - scipy.stats.rankdata(outliers)) / n
    above = 1.0 - (ranks[m:] - scipy.stats.rankdata(inliers)) / m
    return math.sqrt(below.var(ddof=1) / m + above.var(ddof=1) / n)


def _average_precision(inliers: np.ndarray, outliers: np.ndarray) -> float:
    scores = np.concatenate([outliers, inliers])
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(order < len(outliers))
    # A threshold takes all images of the same score: ties are one step.
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    recall = found[ends] / len(outliers)
    precision = found[ends] / (ends + 1.0)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))
