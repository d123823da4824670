"""Tests of `apps/export.py` on a run that is trained."""

import json

import pytest

from tests.apps import app


def _metadata(version):
    path = version / "assets.extra" / "metadata.json"
    return json.loads(path.read_text())


def test_export_adds_a_version_of_the_same_model(trained_run, tmp_path):
    (tmp_path / "model" / "4").mkdir(parents=True)
    result = app.run(
        "export",
        f"--workdir={trained_run.workdir}",
        "--export_dir=model",
        cwd=tmp_path,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "exported model/5\n"
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {"4", "5"}
    found = _metadata(tmp_path / "model" / "5")
    assert found == _metadata(trained_run.export_dir / "1")


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
