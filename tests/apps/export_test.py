"""Tests of `apps/export.py` on a run that is trained."""

import json
import shutil

import pytest

from tests.apps import app


def _metadata(version):
    path = version / "assets.extra" / "metadata.json"
    return json.loads(path.read_text())


def test_export_adds_a_version_of_the_same_model(
    trained_run, warm_process, tmp_path
):
    for version in ("3", "4"):
        shutil.copytree(trained_run.export_dir / "1", tmp_path / f"m/{version}")
    result = warm_process.run(
        "export",
        f"--workdir={trained_run.workdir}",
        "--export_dir=m",
        "--keep_versions=2",
        "--serving_files=deploy",
        cwd=tmp_path,
    )
    assert (result.returncode, result.stderr) == (0, "")
    first, *others = result.stdout.splitlines()
    assert first == "exported m/5"
    files = sorted(path.name for path in (tmp_path / "deploy").iterdir())
    assert sorted(others) == [f"wrote deploy/{name}" for name in files]
    assert "models.config" in files
    names = {path.name for path in (tmp_path / "m").iterdir()}
    assert names == {"4", "5"}
    found = _metadata(tmp_path / "m" / "5")
    assert found == _metadata(trained_run.export_dir / "1")


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        ([], "--workdir"),
        (["--workdir=run", "--keep_versions=0"], "keep_versions must be"),
        (["--workdir=run", "--pixels=median"], "Unknown pixels"),
        (["--serving_files=deploy"], "No export of this package found"),
    ],
)
def test_wrong_flags(flags, part, warm_process, tmp_path):
    flags = ("--export_dir=model", *flags)
    result = warm_process.run("export", *flags, cwd=tmp_path)
    app.assert_refused(result, part)
    assert list(tmp_path.iterdir()) == []


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
