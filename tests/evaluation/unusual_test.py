"""Tests of scores that are higher for more unusual images."""

import numpy as np
import pytest

from keras_vae.evaluation import ImageScores, LikelihoodBounds
from keras_vae.evaluation.unusual import detections, unusualness


def _scores(*values, error=None):
    values = np.array(values)
    zeros = np.zeros_like(values)
    bounds = LikelihoodBounds(values, values, values, zeros, 1)
    return ImageScores(bounds, error)


def test_scores_are_minus_the_bounds_and_their_difference():
    error = np.array([4.0, 9.0])
    found = unusualness(_scores(-3.0, -5.0, error=error), _scores(-1.0, -7.0))
    assert list(found) == [
        "nll", "reconstruction_error", "background_nll", "nll_ratio"
    ]  # fmt: skip
    np.testing.assert_array_equal(found["nll"], [3.0, 5.0])
    np.testing.assert_array_equal(found["reconstruction_error"], error)
    np.testing.assert_array_equal(found["nll_ratio"], [2.0, -2.0])


def test_there_is_no_more_than_the_models_have():
    assert list(unusualness(_scores(-1.0))) == ["nll"]
    error = np.ones(3)
    found = unusualness(ImageScores(None, error))
    assert list(found) == ["reconstruction_error"]


def test_each_score_is_worth_what_it_tells_apart():
    is_outlier = np.array([False, True, False, True])
    figures = {
        "good": np.array([0.0, 2.0, 1.0, 3.0]),
        "bad": np.array([3.0, 0.0, 2.0, 1.0]),
    }
    found = detections(figures, is_outlier)
    assert (found["good"].auroc, found["bad"].auroc) == (1.0, 0.0)
    assert found["good"].num_outliers == 2
    assert detections(figures, np.zeros(4, bool)) == {}


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
