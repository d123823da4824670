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


def test_the_table_has_what_each_group_added():
    more = {
        **_RESULT,
        "graph_cpu_s": 29.0,
        "step_cpu_s": 3.9,
        "step_mb": 12_845.0,
    }
    table = nvae_scaling.scaling_table({5: _RESULT, 10: more})
    header, line, first, second = table.splitlines()
    assert header.count("|") == line.count("|") == first.count("|") == 12
    assert first == (
        "| 5 | 1,234,567 | 20.0 | 19.0 |  | 8.0 | 1.50 | 2.90 |  | 12,345 |  |"
    )
    # 10 s, 1 s and 500 MB for 5 groups.
    assert second == (
        "| 10 | 1,234,567 | 20.0 | 29.0 | 2.00 | 8.0 | 1.50 | 3.90 | 0.200 "
        "| 12,845 | 100 |"
    )


def test_the_limits_stand_beside_a_published_configuration():
    table = nvae_scaling.preset_table("mnist", 16, _RESULT)
    assert "| mnist, batch 16 | measured | limit |" in table
    assert "| parameters | 1,234,567 |  |" in table
    assert "| graph | 20.0 s | 90 s |" in table
    assert "| peak memory, steps | 12.35 GB | 16 GB |" in table
    assert "| 90 s |" not in nvae_scaling.preset_table("mnist", 8, _RESULT)


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
