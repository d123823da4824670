"""Tests of the rows of imputations."""

import pytest

from benchmarks import imputation, records


def _row(chains):
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
    return imputation.row("half", figures)


@pytest.mark.parametrize(
    ("median", "above", "converged", "cells"),
    [
        (1.02, 0.025, True, ["1.02", "2"]),
        (None, 0.75, False, ["", "75"]),
        (None, None, None, ["", ""]),
    ],
)
def test_gains_are_counted_in_standard_errors(median, above, converged, cells):
    row = _row(
        {
            "median_r_hat": median,
            "share_above_1.1": above,
            "converged": converged,
        }
    )
    assert row["gain"] == records.figure(0.03, 0.004, 5)
    assert str(row["gain_errors"]) == "7.5"
    assert str(row["unknown"]) == "15"
    found = [str(row.get(key, "")) for key in ("r_hat", "not_converged")]
    assert found == cells


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
