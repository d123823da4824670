"""What `impute` and `upscale` write: tables, arrays and a picture."""

import csv
import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_vae import plotting
from keras_vae.conditional.posterior_sampling import PosteriorDraws
from keras_vae.notes import counted
from keras_vae.units import plus_minus

__all__ = ["Completion", "Imputation", "format_report", "write_report"]

# Chains that agree have a split R-hat below this (Gelman et al. 2013, section
# 11.4); some images beyond it do not spoil an average.
_R_HAT = 1.1
_SHARE = 0.05
_SHOWN_DRAWS = 3
_KEYS = ("posterior_mean", "one_pass", "mean_baseline")


@dataclasses.dataclass(frozen=True)
class Completion:
    """One way to complete images.

    Attributes:
        image: What it makes of them, `[num, H, W, C]`.
        log_missing: log p(what is missing | what is known), nats, `[num]`, or
            None where it has none that can be compared.
    """

    image: np.ndarray
    log_missing: np.ndarray | None

    def shifted(self, nats: np.ndarray) -> "Completion":
        """Returns this with `log_missing` less by so many nats, `[num]`."""
        if self.log_missing is None:
            return self
        return Completion(self.image, self.log_missing - nats)


@dataclasses.dataclass(frozen=True)
class Imputation:
    """Images and what was made of them.

    Attributes:
        title: Name of the files.
        names: Of each image.
        images: The truth, `[num, H, W, C]`.
        observed: What the model saw, as images.
        unknown: 1 where a value was not known, else 0.
        draws: Of the posterior.
        completions: Name -> posterior mean, one pass, mean of images.
        protocol: How the figures were made.
    """

    title: str
    names: list[str]
    images: np.ndarray
    observed: np.ndarray
    unknown: np.ndarray
    draws: PosteriorDraws
    completions: Mapping[str, Completion]
    protocol: dict[str, Any]

    def num_unknown(self) -> np.ndarray:
        """Returns how many values of each image are unknown, int `[num]`."""
        return self.unknown.sum(axis=(1, 2, 3), dtype=np.int64)

    def errors(self) -> dict[str, dict[str, np.ndarray]]:
        """Returns way -> figure -> its value for each image, float64 `[num]`.

        The figures are means over the unknown values of an image, NaN where it
        has none, and the log-probability of all of them.
        """
        axes = (1, 2, 3)
        count = self.num_unknown().astype(np.float64)
        count[count == 0] = np.nan
        table = {}
        for key, way in zip(_KEYS, self.completions.values(), strict=True):
            rest = (way.image - self.images).astype(np.float64)
            rest = np.where(self.unknown > 0, rest, 0.0)
            table[key] = {
                "squared_error": (rest**2).sum(axis=axes) / count,
                "absolute_error": np.abs(rest).sum(axis=axes) / count,
            }
            if way.log_missing is not None:
                table[key]["log_missing"] = way.log_missing.astype(np.float64)
        return table

    @np.errstate(invalid="ignore")
    def figures(self) -> dict[str, Any]:
        """Returns what there is to say of all the images, as plain data.

        What is not a finite number is None.
        """
        table = self.errors()
        means = {
            key: {
                name: self._mean(name, v)["mean"] for name, v in column.items()
            }
            for key, column in table.items()
        }
        ways = {
            key: {
                "name": name,
                "rmse": _root(means[key]["squared_error"]),
                "mae": means[key]["absolute_error"],
                "log_missing": means[key].get("log_missing"),
            }
            for key, name in zip(means, self.completions, strict=True)
        }
        ours = table["posterior_mean"]
        gains = {
            key: {
                name: self._mean(
                    name,
                    ours[name] - values
                    if name == "log_missing"
                    else values - ours[name],
                )
                for name, values in table[key].items()
            }
            for key in _KEYS[1:]
        }
        count = self.num_unknown()
        return {
            "protocol": self.protocol,
            "unit": {
                "log_missing": self.protocol["unit"],
                "rmse": "[0, 1]",
                "mae": "[0, 1]",
            },
            "num_values": int(self.unknown.size),
            "num_unknown": int(count.sum()),
            "mean_unknown": float(count.mean()),
            "completions": ways,
            "gain_of_posterior_mean": gains,
            "chains": self._diagnostics(),
        }

    def _mean(self, name: str, values: np.ndarray) -> dict[str, float | None]:
        """Returns a figure's mean, and its error over the images.

        Each unknown value weighs the same, so an image as many times as it has
        of them: a ratio of two means, whose error is that of its linear part
        (Cochran 1977, Sampling Techniques, section 6.4). Log-probabilities are
        sums over them already, and each image weighs the same.
        """
        weights = np.ones(len(values))
        if name != "log_missing":
            weights = self.num_unknown().astype(np.float64)
        values, weights = values[weights > 0], weights[weights > 0]
        mean = np.average(values, weights=weights)
        num, error = len(values), None
        if num > 1:
            square = np.sum((weights * (values - mean)) ** 2) * num / (num - 1)
            error = _finite(np.sqrt(square) / weights.sum())
        return {"mean": _finite(mean), "standard_error": error}

    def _diagnostics(self) -> dict[str, Any]:
        draws = self.draws
        r_hat = draws.r_hat[~np.isnan(draws.r_hat)]
        found: dict[str, Any] = {
            "trajectory_acceptance": float(draws.trajectory_acceptance.mean()),
            "encoder_acceptance": float(draws.encoder_acceptance.mean()),
            "num_without_r_hat": len(draws.r_hat) - len(r_hat),
            "median_r_hat": None,
            "max_r_hat": None,
            "share_above_1.1": None,
            "converged": None,
        }
        if len(r_hat):
            above = float(np.mean(r_hat > _R_HAT))
            found |= {
                "median_r_hat": _finite(np.median(r_hat)),
                "max_r_hat": _finite(r_hat.max()),
                "share_above_1.1": above,
                "converged": above <= _SHARE,
            }
        return found

    def rows(self) -> list[dict[str, Any]]:
        """Returns a row of figures for each image."""
        columns = {
            f"{figure}_{key}": values
            for key, figures in self.errors().items()
            for figure, values in figures.items()
        }
        for name in ("trajectory_acceptance", "encoder_acceptance", "r_hat"):
            columns[name] = getattr(self.draws, name)
        # Of the kind of the other columns: 1, 0, or NaN without an R-hat.
        r_hat = self.draws.r_hat
        columns["converged"] = np.where(
            np.isnan(r_hat), np.nan, r_hat <= _R_HAT
        )
        count = self.num_unknown()
        return [
            {
                "image": name,
                "num_unknown": int(count[index]),
                # The models compute in float32: more digits say nothing.
                **{k: _finite(v[index]) for k, v in columns.items()},
            }
            for index, name in enumerate(self.names)
        ]


def _root(value: float | None) -> float | None:
    return None if value is None else value**0.5


def _finite(value: float) -> float | None:
    """Returns nine digits; None, which JSON knows, for what is not finite."""
    return float(f"{value:.9g}") if np.isfinite(value) else None


def write_report(
    folder: pathlib.Path, result: Imputation, num_shown: int
) -> None:
    """Writes the table, the same as JSON, the images as arrays, a picture.

    Args:
        folder: Where to; it exists.
        result: What to write.
        num_shown: Images in the picture.
    """
    rows = result.rows()
    path = folder / f"{result.title}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    content = {**result.figures(), "images": rows}
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    path.with_suffix(".json").write_text(text)
    np.savez_compressed(
        path.with_suffix(".npz"),
        image=result.images,
        observed=result.observed,
        unknown=result.unknown.astype(np.uint8),
        mean=result.draws.mean,
        draws=result.draws.image.swapaxes(0, 1),
    )
    _draw(path.with_suffix(".png"), result, num_shown)


def _draw(path: pathlib.Path, result: Imputation, num_shown: int) -> None:
    draws = result.draws.image[:_SHOWN_DRAWS]
    ways = [way.image for way in result.completions.values()]
    rows = [result.images, result.observed, ways[1], ways[0], *draws]
    labels = ["image", "what is known", "one pass", "posterior mean"]
    labels += [f"draw {number}" for number in range(1, len(draws) + 1)]
    plotting.save_labelled_rows(
        path, np.nan_to_num([row[:num_shown] for row in rows]), labels
    )


def format_report(result: Imputation) -> str:
    """Returns what people want to know first."""
    figures = result.figures()
    protocol, chains = result.protocol, figures["chains"]
    unit = protocol["unit"]
    wide = 2 + max(len(way["name"]) for way in figures["completions"].values())
    lines = [f"{'':<{wide}}{'RMSE':<9}{'MAE':<9}log-likelihood, {unit}"]
    for key, way in figures["completions"].items():
        last = "-"
        if "log_missing" in result.errors()[key]:
            last = _text(way["log_missing"], 2)
        lines.append(
            f"{way['name']:<{wide}}{_text(way['rmse'], 4):<9}"
            f"{_text(way['mae'], 4):<9}{last}"
        )
    for key, name in zip(_KEYS[1:], list(result.completions)[1:], strict=True):
        gains = figures["gain_of_posterior_mean"][key]
        parts = [f"squared error {_gain(gains['squared_error'], 5)} lower"]
        if "log_missing" in gains:
            parts.append(f"{_gain(gains['log_missing'], 2)} nats more likely")
        lines.append(f"posterior mean against {name}: {', '.join(parts)}")
    where = f"{protocol['dataset']} {protocol['split']}"
    if protocol["inputs"]:
        where = "files"
    lines += [
        f"({counted(len(result.names), 'image')} of {where}; "
        f"{figures['num_unknown']:,} of {figures['num_values']:,} values are "
        "unknown, and errors are of these; "
        f"{protocol['num_chains']} chains of {protocol['burn_in']} + "
        f"{protocol['num_sweeps']} sweeps, seed {protocol['seed']}; "
        "± one standard error of the paired difference)",
        *_chain_lines(chains),
    ]
    return "\n".join(lines)


def _chain_lines(chains: dict[str, Any]) -> list[str]:
    """Returns what there is to say of the chains, with warnings."""
    accepted = (
        f"accepted {chains['trajectory_acceptance']:.0%} of the trajectories, "
        f"{chains['encoder_acceptance']:.0%} of the encoder's proposals"
    )
    if chains["converged"] is None:
        return [
            f"chains: nothing varies in them, so there is no R-hat; {accepted}"
        ]
    median, largest = (
        "inf" if value is None else f"{value:.2f}"
        for value in (chains["median_r_hat"], chains["max_r_hat"])
    )
    line = f"chains: split R-hat {median} (median), {largest} (largest)"
    if chains["num_without_r_hat"]:
        line += f", none for {chains['num_without_r_hat']:,} without variation"
    lines = [f"{line}; {accepted}"]
    if not chains["converged"]:
        lines.append(
            f"warning: {chains['share_above_1.1']:.0%} of the images have an "
            f"R-hat above {_R_HAT}: their chains have not converged, so draws "
            "and log-likelihoods are of less than all of p(x|what is known). "
            "Raise --num_sweeps and --burn_in"
        )
    return lines


def _text(value: float | None, digits: int) -> str:
    return "not finite" if value is None else f"{value:.{digits}f}"


def _gain(gain: dict[str, float | None], digits: int) -> str:
    rest = plus_minus(gain["standard_error"], digits)
    return f"{_text(gain['mean'], digits)}{rest}"
