"""Tests of the comparison of a vanilla VAE with the hierarchical models."""

import numpy as np
import pytest
from PIL import Image

from benchmarks import vanilla_vs_nvae
from benchmarks.records import figure

_FIGURES = {
    "elbo": {"nats_per_image": 90.126},
    "nll": {
        "nats_per_image": 86.5,
        "standard_error": 0.2,
        "num_importance_samples": 100,
    },
    "training": {"num_parameters": 1234567, "epochs": 12.34},
    "samples": np.zeros([36, 28, 28, 1], np.float32),
}


def test_a_row_has_the_figures_of_a_model():
    row = vanilla_vs_nvae._row("A", _FIGURES)
    assert (row["label"], row["parameters"]) == ("A", 1_234_567)
    assert [str(row[key]) for key in ("epochs", "negative_elbo")] == [
        "12.3",
        "90.13",
    ]
    assert row["nll"] == figure(86.5, 0.2, 2)


def test_the_picture_has_a_panel_for_each_model(tmp_path):
    path = tmp_path / "new" / "picture.png"
    bright = {**_FIGURES, "samples": np.ones([36, 28, 28, 1], np.float32)}
    vanilla_vs_nvae._draw(path, [("dark", _FIGURES), ("bright", bright)])
    pixels = np.asarray(Image.open(path).convert("L"))
    height, width = pixels.shape
    middle = pixels[height // 3 : -height // 8]
    assert middle[:, : width // 2].mean() < 80
    assert middle[:, width // 2 :].mean() > 180


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
