"""Tests of the table of imputations."""

import pytest

from benchmarks import imputation


def _table(chains):
    figures = {
        "num_unknown": 1_200,
        "num_values": 8_000,
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
        "chains": chains,
    }
    return imputation.table({"half": figures})


@pytest.mark.parametrize(
    ("median", "above", "converged", "cells"),
    [
        (1.02, 0.025, True, "1.02 | 2%"),
        (None, 0.75, False, "inf | 75%"),
        (None, None, None, "none | none"),
    ],
)
def test_gains_are_counted_in_standard_errors(median, above, converged, cells):
    text = _table(
        {
            "median_r_hat": median,
            "share_above_1.1": above,
            "converged": converged,
        }
    )
    assert text.splitlines()[-1] == (
        "| half | 15% | 0.1000 | 0.2000 | 0.3000 | 0.03000 ± 0.00400 | 7.5 "
        f"| 20.00 ± 2.00 | {cells} |"
    )


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
