"""What `score` writes: a table, the same as JSON, and pictures."""

import csv
import dataclasses
import json
import math
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_vae import plotting
from keras_vae.errors import printable
from keras_vae.evaluation import Detection, LikelihoodBounds
from keras_vae.labels import names_of
from keras_vae.notes import counted

__all__ = ["ScoreTable", "format_report", "write_report"]

_TITLES = {
    "nll": "negative log-likelihood",
    "nll_ratio": "likelihood ratio",
    "reconstruction_error": "reconstruction error",
}
# By what `protocol` says of the classes.
_GIVEN = {
    None: "",
    "of each image": ", given the class",
    "mixture of all": ", mixture of all classes",
}
_LISTED = 5
_COLUMNS = 8
_CAPTION = 18


@dataclasses.dataclass(frozen=True)
class ScoreTable:
    """Images and their scores, in the order in which they were read.

    Attributes:
        names: Of each image.
        images: float32 `[num, H, W, C]` in [0, 1].
        labels: int32 `[num]`, -1 where it is not known, or None.
        class_names: Name of each label, or None where they are not known.
        is_outlier: bool `[num]`, or None where it is not known.
        scores: Name -> float64 `[num]`.
        bounds: The bounds of the model, or None.
        sort_by: The score that sorts.
        detections: Score -> what it is worth, if the outliers are known.
        protocol: How the figures were made.
    """

    names: list[str]
    images: np.ndarray
    labels: np.ndarray | None
    class_names: Sequence[str] | None
    is_outlier: np.ndarray | None
    scores: dict[str, np.ndarray]
    bounds: LikelihoodBounds | None
    sort_by: str
    detections: dict[str, Detection]
    protocol: dict[str, Any]

    def order(self) -> np.ndarray:
        """Returns the positions of the images, the most unusual first."""
        return np.argsort(-self.scores[self.sort_by], kind="stable")

    def classes(self) -> list[str] | None:
        """Returns the name of each image's class, None where none is known."""
        if self.labels is None or not self.class_names:
            return None
        return names_of(self.labels, self.class_names)

    def rows(self) -> list[dict[str, Any]]:
        """Returns the table, the most unusual image first."""
        columns: dict[str, np.ndarray] = dict(self.scores)
        if self.bounds is not None:
            names = ["log_likelihood"]
            if not self.bounds.exact:
                names = ["elbo", "importance_weighted", *names, "kl_divergence"]
            for name in names:
                columns[name] = getattr(self.bounds, name)
        classes = self.classes()
        rows = []
        for rank, index in enumerate(self.order(), start=1):
            row: dict[str, Any] = {"rank": rank, "image": self.names[index]}
            if self.labels is not None:
                row["label"] = int(self.labels[index])
            if classes is not None:
                row["class"] = classes[index]
            if self.is_outlier is not None:
                row["outlier"] = int(self.is_outlier[index])
            for name, values in columns.items():
                # The models compute in float32: more digits say nothing.
                row[name] = float(f"{values[index]:.9g}")
            rows.append(row)
        return rows

    def figures(self) -> dict[str, Any]:
        """Returns what there is to say of all the images, as plain data."""
        return {
            "protocol": self.protocol,
            "sorted_by": self.sort_by,
            "detection": {
                name: dataclasses.asdict(found)
                for name, found in self.detections.items()
            },
        }


def write_report(
    folder: pathlib.Path, table: ScoreTable, num_shown: int
) -> None:
    """Writes `scores.csv`, `scores.json` and the pictures.

    Args:
        folder: Where to; it exists.
        table: What to write.
        num_shown: Images in the picture of the most unusual ones.
    """
    rows = table.rows()
    with (folder / "scores.csv").open(
        "w", newline="", encoding="utf-8", errors="backslashreplace"
    ) as f:
        writer = csv.DictWriter(f, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    content = {**table.figures(), "images": rows}
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    (folder / "scores.json").write_text(text)
    _draw_most_unusual(folder / "most_unusual.png", table, num_shown)
    if table.is_outlier is not None:
        _draw_histograms(folder / "histograms.png", table)


def _draw_most_unusual(
    path: pathlib.Path, table: ScoreTable, num_shown: int
) -> None:
    order = table.order()[:num_shown]
    score = table.scores[table.sort_by]
    outlier = table.is_outlier
    marked: set[int] = set()
    if outlier is not None:
        marked = set(np.flatnonzero(outlier[order]).tolist())
    note = "" if outlier is None else "; outliers in red"
    plotting.save_captioned_images(
        path,
        table.images[order],
        [f"{_short(table.names[i])}\n{score[i]:.1f}" for i in order],
        title=f"Most unusual first, by {_title(table, table.sort_by)}{note}",
        columns=min(_COLUMNS, math.ceil(math.sqrt(len(order)) * 1.5)),
        marked=marked,
    )


def _draw_histograms(path: pathlib.Path, table: ScoreTable) -> None:
    assert table.is_outlier is not None
    panels = {}
    for name, found in table.detections.items():
        title = (
            f"{_title(table, name)}\n"
            f"AUROC {found.auroc:.3f} ± {found.standard_error:.3f}"
        )
        panels[title] = {
            "inliers": table.scores[name][~table.is_outlier],
            "outliers": table.scores[name][table.is_outlier],
        }
    plotting.save_histograms(path, panels)


def _short(name: str) -> str:
    """Returns the end of a name, which tells it from its neighbours."""
    return name if len(name) <= _CAPTION else f"…{name[-_CAPTION + 1 :]}"


def _title(table: ScoreTable, name: str) -> str:
    title = _TITLES[name]
    if name == "reconstruction_error":
        return title
    return f"{title}, {_bound(table.protocol)}"


def _bound(protocol: dict[str, Any]) -> str:
    """Returns how the likelihood was bounded, and given what."""
    bound = "exact"
    if protocol["bound"] != "exact":
        k = protocol["num_importance_samples"]
        bound = "ELBO" if k == 1 else f"IW, K={k:,}"
    return bound + _GIVEN[protocol.get("classes")]


def format_report(table: ScoreTable) -> str:
    """Returns what people want to know first."""
    protocol = table.protocol
    where = f"{protocol['dataset']} {protocol['split']}"
    if protocol["inputs"]:
        where = "files"
    how = f"{protocol['binarization']} binarization"
    if protocol["binarization"] == "none":
        how = (
            f"{protocol['num_bits']}-bit, dequantization "
            f"{protocol['dequantization']}"
        )
    bound = f"{_bound(protocol)}, " if "bound" in protocol else ""
    ending = f"{bound}{protocol['unit']}, {how}, seed {protocol['seed']}"
    if not table.detections:
        basis = f"by {_TITLES[table.sort_by]} ({where}; {ending})"
        return "\n".join([*_most_unusual(table), basis])
    lines = [f"{'score':<32}{'AUROC':<18}average precision"]
    for name, found in table.detections.items():
        auroc = f"{found.auroc:.4f} ± {found.standard_error:.4f}"
        precision = f"{found.average_precision:.4f}"
        lines.append(f"{_TITLES[name]:<32}{auroc:<18}{precision}")
    inliers, outliers = protocol["num_images"], protocol["num_outliers"]
    chance = outliers / (inliers + outliers)
    return "\n".join(
        [
            *lines,
            f"{'chance':<32}{'0.5':<18}{chance:.4f}",
            f"({counted(inliers, 'image')} of {where}, "
            f"{counted(outliers, 'outlier')} of "
            f"{protocol['outliers']}; {ending}; ± one standard error, "
            "DeLong et al. 1988)",
        ]
    )


def _most_unusual(table: ScoreTable) -> list[str]:
    """Returns a line that says what follows, and a line for each image."""
    total = counted(len(table.names), "image")
    first = f"the {_LISTED} most unusual of {total}"
    if len(table.names) <= _LISTED:
        first = f"{total}, the most unusual first"
    score, classes = table.scores[table.sort_by], table.classes()
    lines = [first]
    for i in table.order()[:_LISTED]:
        name = printable(table.names[i])
        if classes is not None and classes[i]:
            name += f"  ({classes[i]})"
        lines.append(f"  {score[i]:>10.3f}  {name}")
    return lines
