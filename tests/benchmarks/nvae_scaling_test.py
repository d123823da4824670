"""Tests of the measurement of NVAE's training step, with a tiny one."""

import pytest

from benchmarks import nvae_scaling
from keras_vae.config import PRESETS, NVAEConfig
from keras_vae.networks.nvae import NVAEArchitecture

_RESULT = {
    "num_parameters": 1_234_567,
    "build_s": 3.0,
    "graph_s": 20.04,
    "graph_cpu_s": 19.0,
    "first_step_s": 8.0,
    "step_s": 1.5,
    "step_cpu_s": 2.9,
    "build_mb": 700.0,
    "graph_mb": 900.0,
    "step_mb": 12_345.0,
}


def test_rows_have_rounded_figures_of_the_measurement():
    row = nvae_scaling.scaling_row(5, _RESULT)
    assert row["label"] == "5 groups"
    assert row["parameters"] == 1_234_567
    assert [str(row[key]) for key in ("graph_cpu", "step_cpu", "peak_rss")] == [
        "19.0",
        "2.90",
        "12345",
    ]
    row = nvae_scaling.preset_row("mnist", 16, _RESULT)
    assert row["label"] == "mnist, batch 16"
    # Bytes: 12.345 is not a binary fraction, and is rounded up.
    assert [str(row[key]) for key in ("graph", "step", "peak_rss")] == [
        "20.0",
        "1.50",
        "12.35",
    ]


def test_every_preset_has_images_that_fit_it():
    assert set(nvae_scaling._SHAPES) == set(PRESETS)


def test_the_worker_builds_and_runs_a_step():
    settings = {
        **PRESETS["smoke"],
        "num_scales": 1,
        "num_blocks": 0,
        "batch_size": 2,
        "recompute": True,
    }
    config = NVAEConfig(**settings)
    case = {"settings": settings, "image_shape": (4, 4, 1), "steps": 2}
    result = nvae_scaling.measure(case)
    expected = NVAEArchitecture((4, 4, 1), config).num_parameters(1)
    assert result["num_parameters"] == expected
    assert result.keys() == _RESULT.keys()
    assert min(result.values()) > 0
    # The kernel counts memory by batches of pages: a peak can shrink by some.
    slack = 1.0
    assert result["build_mb"] <= result["graph_mb"] + slack
    assert result["graph_mb"] <= result["step_mb"] + slack


@pytest.mark.parametrize("flag", ["--batch_size=0", "--steps=0"])
def test_flags_out_of_range_are_refused(flag, capsys):
    with pytest.raises(SystemExit, match="2"):
        nvae_scaling.main([flag])
    assert "must be at least 1" in capsys.readouterr().err


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
