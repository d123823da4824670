"""The report of imputations: errors of what is unknown, and convergence."""

import csv
import importlib
import json

import numpy as np
import pytest

from keras_vae import plotting
from keras_vae.conditional.imputation_report import (
    Completion,
    Imputation,
    format_report,
    write_report,
)
from keras_vae.conditional.posterior_sampling import PosteriorDraws

_NUM = 4
_SHAPE = (_NUM, 2, 3, 1)
# Images with 0, 1, 2 and 6 unknown values.
_UNKNOWN = np.zeros([_NUM, 6])
for _image, _count in enumerate([0, 1, 2, 6]):
    _UNKNOWN[_image, :_count] = 1
_RANDOM = np.random.default_rng(0)
_TRUTH, _MEAN, _PASS, _BASE = _RANDOM.uniform(size=(4, *_SHAPE))


def _imputation(r_hat=(1.0, 1.02, 1.04, 1.3), mean=_MEAN, log_missing=None):
    if log_missing is None:
        log_missing = np.array([0.0, -1.0, -2.0, -6.0])
    draws = PosteriorDraws(
        image=np.stack([mean, mean]).astype(np.float32),
        mean=mean,
        log_missing=log_missing,
        trajectory_acceptance=np.array([0.5, 0.6, 0.7, 0.8]),
        encoder_acceptance=np.array([0.1, 0.2, 0.3, 0.4]),
        r_hat=np.array(r_hat),
    )
    return Imputation(
        title="imputed",
        names=[f"test/{index}" for index in range(_NUM)],
        images=_TRUTH,
        observed=_TRUTH,
        unknown=_UNKNOWN.reshape(_SHAPE),
        draws=draws,
        completions={
            "posterior mean": Completion(mean, log_missing),
            "one pass": Completion(_PASS, log_missing - [0, 1, 2, 5]),
            "mean of 7 training images": Completion(_BASE, None),
        },
        protocol={
            "dataset": "mnist",
            "split": "test",
            "inputs": [],
            "num_chains": 2,
            "burn_in": 3,
            "num_sweeps": 4,
            "seed": 0,
            "unit": "nats per image",
        },
    )


def test_errors_are_of_the_unknown_values_alone():
    result = _imputation()
    figures = result.figures()
    where = result.unknown > 0
    for key, image in (
        ("posterior_mean", _MEAN),
        ("one_pass", _PASS),
        ("mean_baseline", _BASE),
    ):
        rest = (image - _TRUTH)[where]
        way = figures["completions"][key]
        assert way["rmse"] == pytest.approx(np.sqrt(np.mean(rest**2)))
        assert way["mae"] == pytest.approx(np.mean(np.abs(rest)))
    assert figures["num_unknown"] == 9
    assert figures["num_values"] == 24
    assert figures["mean_unknown"] == 9 / 4
    assert "9 of 24 values are unknown" in format_report(result)
    # What is known does not count, however wrong.
    known_wrong = _imputation(mean=np.where(where, _MEAN, 77.0))
    assert known_wrong.figures()["completions"] == figures["completions"]


def test_gains_have_the_sign_and_the_error_of_a_ratio():
    gains = _imputation().figures()["gain_of_posterior_mean"]
    where = _imputation().unknown > 0
    square = ((_PASS - _TRUTH) ** 2 - (_MEAN - _TRUTH) ** 2) * where
    sums = square.sum(axis=(1, 2, 3))[1:]
    count = np.array([1, 2, 6])
    ratio = sums.sum() / count.sum()
    found = gains["one_pass"]["squared_error"]
    assert found["mean"] == pytest.approx(ratio)
    spread = np.std(sums - ratio * count, ddof=1) / np.sqrt(3)
    assert found["standard_error"] == pytest.approx(spread / count.mean())
    found = gains["one_pass"]["log_missing"]
    assert found["mean"] == 2.0
    assert found["standard_error"] == pytest.approx(
        np.std([0, 1, 2, 5], ddof=1) / 2
    )
    assert "log_missing" not in gains["mean_baseline"]


def test_the_error_of_a_ratio_is_that_of_repeated_samples():
    random = np.random.default_rng(1)
    found, errors = [], []
    result = _imputation()
    for _ in range(400):
        count = random.integers(1, 7, _NUM)
        unknown = np.arange(6) < count[:, np.newaxis]
        values = random.normal(1.0, 0.5, _NUM) + 0.3 * count
        sample = Imputation(
            **{**vars(result), "unknown": unknown.reshape(_SHAPE)}
        )
        mean = sample._mean("squared_error", values)
        found.append(mean["mean"])
        errors.append(mean["standard_error"])
    # Four images are few: the linear part alone is a little too small.
    assert np.std(found) == pytest.approx(np.mean(errors), rel=0.25)


def test_images_without_r_hat_are_counted_apart():
    chains = _imputation([1.0, np.nan, 1.04, 1.05]).figures()["chains"]
    assert chains["num_without_r_hat"] == 1
    assert chains["median_r_hat"] == 1.04
    assert chains["max_r_hat"] == 1.05
    assert chains["share_above_1.1"] == 0
    assert chains["converged"] is True
    report = format_report(_imputation([1.0, np.nan, 1.04, 1.05]))
    assert "none for 1 without variation" in report
    # One of three is above: those without R-hat do not thin it out.
    chains = _imputation([1.0, np.nan, 1.04, 1.3]).figures()["chains"]
    assert chains["share_above_1.1"] == pytest.approx(1 / 3)
    assert chains["converged"] is False
    rows = _imputation([1.0, np.nan, np.inf, 1.3]).rows()
    assert [row["converged"] for row in rows] == [1, None, 0, 0]


def test_no_r_hat_at_all_is_no_convergence():
    result = _imputation([np.nan] * 4)
    chains = result.figures()["chains"]
    for name in ("median_r_hat", "max_r_hat", "share_above_1.1", "converged"):
        assert chains[name] is None
    assert chains["num_without_r_hat"] == 4
    assert "no R-hat" in format_report(result)


def test_what_is_not_finite_is_said(tmp_path):
    mean = _MEAN.copy()
    mean[3] = np.nan
    log_missing = np.array([0.0, -1.0, -np.inf, np.nan])
    result = _imputation([1.0, 1.0, np.inf, np.inf], mean, log_missing)
    figures = result.figures()
    assert figures["chains"]["converged"] is False
    assert figures["chains"]["max_r_hat"] is None
    assert figures["chains"]["share_above_1.1"] == 0.5
    way = figures["completions"]["posterior_mean"]
    assert way["rmse"] is way["mae"] is way["log_missing"] is None
    assert figures["completions"]["mean_baseline"]["rmse"] > 0
    report = format_report(result)
    assert "not finite" in report
    assert "inf (largest)" in report
    assert "50% of the images have an R-hat above" in report
    write_report(tmp_path, result, 4)
    written = json.loads((tmp_path / "imputed.json").read_text())
    assert written["images"][3]["squared_error_posterior_mean"] is None


def test_rows_say_how_many_values_count(tmp_path):
    write_report(tmp_path, _imputation(), 2)
    with (tmp_path / "imputed.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["num_unknown"]) for row in rows] == [0, 1, 2, 6]
    assert rows[0]["squared_error_posterior_mean"] == ""
    rest = (_MEAN - _TRUTH)[2].reshape(-1)[:2]
    found = float(rows[2]["squared_error_posterior_mean"])
    assert found == pytest.approx(np.mean(rest**2))


def test_the_picture_has_each_image_beside_its_name(monkeypatch, tmp_path):
    module = importlib.import_module("keras_vae.conditional.imputation_report")
    drawn = {}

    def save(path, rows, labels):
        drawn.update(zip(labels, rows, strict=True))

    monkeypatch.setattr(plotting, "save_labelled_rows", save)
    result = _imputation()
    module.write_report(tmp_path, result, 2)
    wanted = {
        "image": result.images,
        "what is known": result.observed,
        "one pass": result.completions["one pass"].image,
        "posterior mean": result.draws.mean,
        "draw 1": result.draws.image[0],
        "draw 2": result.draws.image[1],
    }
    assert drawn.keys() == wanted.keys()
    for name, images in wanted.items():
        np.testing.assert_array_equal(drawn[name], images[:2], err_msg=name)


def test_acceptances_are_those_of_their_proposals():
    chains = _imputation().figures()["chains"]
    assert chains["trajectory_acceptance"] == pytest.approx(0.65)
    assert chains["encoder_acceptance"] == pytest.approx(0.25)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
