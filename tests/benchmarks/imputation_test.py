"""Tests of the table of imputations."""

import pytest

from benchmarks import imputation


def test_gains_are_counted_in_standard_errors():
    figures = {
        "completions": {
            "posterior_mean": {"rmse": 0.1},
            "one_pass": {"rmse": 0.2},
            "mean_baseline": {"rmse": 0.3},
        },
        "gain_of_posterior_mean": {
            "one_pass": {
                "squared_error": {"mean": 0.03, "standard_error": 0.004},
                "log_missing": {"mean": 20.0, "standard_error": 2.0},
            }
        },
        "chains": {"median_r_hat": 1.02},
    }
    text = imputation.table({"half": figures})
    assert text.splitlines()[-1] == (
        "| half | 0.1000 | 0.2000 | 0.3000 | 0.03000 ± 0.00400 | 7.5 "
        "| 20.00 ± 2.00 | 1.02 |"
    )


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
