"""Tests of how `apps/train.py` ends where training itself goes wrong."""

import pytest


def test_a_diverged_run_is_diagnosed(trained_run, warm_process, tmp_path):
    result = warm_process.run(
        "train",
        *trained_run.flags,
        "--config.learning_rate=1e30",
        "--config.clip_norm=0",
        "--workdir=run",
        "--export_dir=model",
        cwd=tmp_path,
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("error: Training diverged by step")
    for part in ("not finite", "--config.learning_rate", "--workdir"):
        assert part in result.stderr
    assert not (tmp_path / "model").exists()
    assert not (tmp_path / "run" / "results.json").exists()


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
