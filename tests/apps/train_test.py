"""Tests of how `apps/train.py` ends where training itself goes wrong."""

import pytest

from tests.apps import app


def test_diverged_run_is_diagnosed_in_words(trained_run, tmp_path):
    result = app.run(
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
