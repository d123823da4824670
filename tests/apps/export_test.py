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
    expected = _metadata(trained_run.export_dir / "1")
    assert expected["run"] == "../run"
    workdir = tmp_path / "m" / found["run"]
    assert workdir.resolve() == trained_run.workdir.resolve()
    assert found == expected | {"run": found["run"]}


def test_export_is_named_after_its_run_folder(
    trained_run, warm_process, tmp_path
):
    for name in ("a", "b"):
        shutil.copytree(trained_run.workdir, tmp_path / name / "digits")

    def export(name, *flags):
        return warm_process.run(
            "export", f"--workdir={name}/digits", *flags, cwd=tmp_path
        )

    assert export("a").stdout == "exported saved_models/digits/1\n"
    app.assert_refused(
        export("b"),
        "saved_models/digits holds the exports of another run folder",
        "--replace",
        "a/digits in saved_models/digits/1, and now",
    )
    app.assert_refused(
        warm_process.run(
            "train", *trained_run.flags, "--workdir=c/digits", cwd=tmp_path
        ),
        "saved_models/digits holds the exports of another run folder",
    )
    assert not (tmp_path / "c").exists()
    found = [path.name for path in (tmp_path / "saved_models").rglob("*.pb")]
    assert sorted(found) == ["fingerprint.pb", "saved_model.pb"]
    served = "--export_dir=saved_models/digits"
    assert export("b", served).stdout == "exported saved_models/digits/2\n"


def test_export_of_another_kind_is_refused_until_it_may_replace(
    trained_run, warm_process, tmp_path
):
    base = tmp_path / "saved_models" / "run"
    shutil.copytree(trained_run.export_dir / "1", base / "1")
    path = base / "1" / "assets.extra" / "metadata.json"
    text = path.read_text()
    path.write_text(text.replace('"num_classes": 0', '"num_classes": 10'))
    arguments = ("export", f"--workdir={trained_run.workdir}")
    served = ("--export_dir=saved_models/run",)
    app.assert_refused(
        warm_process.run(*arguments, *served, cwd=tmp_path),
        "num_classes: 10 -> 0",
        "--replace",
    )
    assert [path.name for path in base.iterdir()] == ["1"]
    # Training is refused too, before its run folder is made.
    result = warm_process.run(
        "train", *trained_run.flags, "--workdir=new", *served, cwd=tmp_path
    )
    app.assert_refused(result, "num_classes: 10 -> 0", "--replace")
    assert not (tmp_path / "new").exists()
    result = warm_process.run(*arguments, *served, "--replace", cwd=tmp_path)
    assert result.stdout == "exported saved_models/run/2\n"


def test_end_of_training_replaces_and_removes_what_it_may(
    trained_run, warm_process, tmp_path
):
    shutil.copytree(trained_run.workdir, tmp_path / "runs" / "digits")
    base = tmp_path / "saved_models" / "digits"
    (base / "1").mkdir(parents=True)
    # Of somebody else.
    (base / "1" / "saved_model.pb").touch()
    result = warm_process.run(
        "train",
        *trained_run.flags,
        "--workdir=runs/digits",
        "--noevaluate",
        "--replace",
        "--keep_versions=1",
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    assert "exported saved_models/digits/2" in result.stdout.splitlines()
    assert [path.name for path in base.iterdir()] == ["2"]


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        ([], "--workdir"),
        (
            ["--export_dir=", "--serving_files=d"],
            "export_dir must not be empty",
        ),
        (["--workdir="], "workdir must not be empty"),
        (
            ["--serving_files=d", "--replace"],
            "--replace does nothing without --workdir",
        ),
        (["--serving_files=d", "--keep_versions=2"], "without --workdir"),
        (["--workdir=run", "--host=::1"], "without --serving_files"),
        (["--serving_files=d", "--host=all"], "--host=all"),
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
