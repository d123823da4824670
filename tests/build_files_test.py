"""Tests that the BUILD files say what the imports say."""

import pathlib

import pytest

from tests import build_files

_ROOT = pathlib.Path(__file__).resolve().parent.parent


def _tree(root: pathlib.Path, **files: str) -> None:
    """Writes files, `__` in a name for "/", as `keras_vae__config`."""
    for name, text in files.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _build(root: pathlib.Path, folder: str) -> str:
    files = build_files.build_files(root, build_files.find_modules(root))
    return files[f"{folder}/BUILD"]


def test_build_files_match_the_imports():
    files = build_files.build_files(_ROOT, build_files.find_modules(_ROOT))
    stale = [
        name
        for name, text in files.items()
        if not (_ROOT / name).exists() or (_ROOT / name).read_text() != text
    ]
    assert not stale, "run: python tests/build_files.py --write"


def test_no_build_file_is_left_over():
    files = build_files.build_files(_ROOT, build_files.find_modules(_ROOT))
    found = {
        str(path.relative_to(_ROOT))
        for folder in build_files.FOLDERS
        for path in _ROOT.glob(f"{folder}/**/BUILD")
    }
    assert found <= set(files)


def test_modules_do_not_import_in_a_circle():
    assert build_files.find_cycle(build_files.find_modules(_ROOT)) == []


def test_no_folder_is_left_out():
    hidden = {"build", "dist", "docs", "venv"}
    found = {
        file.relative_to(_ROOT).parts[0]
        for file in _ROOT.glob("[a-z]*/**/*.py")
    }
    assert found - hidden <= set(build_files.FOLDERS)


@pytest.mark.parametrize(
    "statement",
    [
        "import keras_vae.b",
        "from keras_vae import b",
        "from keras_vae.b import name",
        "from . import b",
        "from .b import name",
        "def f():\n    import keras_vae.b",
        "import keras_vae\nkeras_vae.b.name",
        "command = ['python', '-m', 'keras_vae.b']",
        "command = ['python', 'keras_vae/b.py']",
        "command = ['python', 'b.py']",
    ],
)
def test_dependency_is_found(tmp_path, statement):
    _tree(tmp_path, keras_vae__a=statement, keras_vae__b="name = 1")
    modules = build_files.find_modules(tmp_path)
    assert modules["keras_vae.a"].imports == {"keras_vae.b"}
    assert 'deps = [":b"]' in _build(tmp_path, "keras_vae")


def test_other_strings_and_packages_are_no_dependency(tmp_path):
    text = '"""About keras_vae.b."""\nimport numpy.b\nx = "b"\nx.keras_vae.b'
    _tree(tmp_path, keras_vae__a=text, keras_vae__b="")
    assert not build_files.find_modules(tmp_path)["keras_vae.a"].imports


def test_only_packages_that_import_see_a_module(tmp_path):
    _tree(
        tmp_path,
        keras_vae__data__a="",
        keras_vae__data__b="from keras_vae.data import a",
        keras_vae__models__c="from keras_vae.data import a",
    )
    text = _build(tmp_path, "keras_vae/data")
    assert text.count("visibility") == 1
    assert 'visibility = ["//keras_vae/models:__pkg__"]' in text
    assert 'deps = ["//keras_vae/data:a"]' in _build(
        tmp_path, "keras_vae/models"
    )


def test_script_is_a_binary_and_a_library_where_it_is_imported(tmp_path):
    script = 'if __name__ == "__main__":\n    print()\n'
    _tree(
        tmp_path,
        apps__train=script,
        apps__export=script,
        tests__apps__train_test="from apps import train",
    )
    text = _build(tmp_path, "apps")
    assert 'py_binary(\n    name = "export",\n    srcs = ["export.py"]' in text
    assert 'py_library(\n    name = "train_lib"' in text
    assert 'deps = [":train_lib"]' in text
    assert "export_lib" not in text
    assert 'deps = ["//apps:train_lib"]' in _build(tmp_path, "tests/apps")


def test_conftest_is_a_dependency_of_tests_below(tmp_path):
    _tree(tmp_path, tests__conftest="", tests__data__a_test="")
    assert 'deps = ["//tests:conftest"]' in _build(tmp_path, "tests/data")


def test_what_depends_on_the_tests_is_testonly(tmp_path):
    script = (
        'import benchmarks.requests\nif __name__ == "__main__":\n    pass\n'
    )
    _tree(
        tmp_path,
        benchmarks__requests="from tests import server",
        benchmarks__load=script,
        benchmarks__other="",
        tests__server="",
    )
    text = _build(tmp_path, "benchmarks")
    assert 'name = "requests",\n    testonly = True' in text
    assert 'name = "load",\n    testonly = True' in text
    assert 'name = "other",\n    srcs' in text


def test_module_named_like_its_folder_keeps_its_name(tmp_path):
    _tree(
        tmp_path,
        keras_vae__seeds__seeds="",
        keras_vae__a="import keras_vae.seeds",
    )
    init = tmp_path / "keras_vae" / "seeds" / "__init__.py"
    init.write_text("from keras_vae.seeds import seeds")
    text = _build(tmp_path, "keras_vae/seeds")
    assert 'name = "seeds",\n    srcs = ["seeds.py"]' in text
    assert 'deps = ["//keras_vae/seeds:__init__"]' in _build(
        tmp_path, "keras_vae"
    )


def test_attributes_written_by_hand_are_kept(tmp_path):
    _tree(tmp_path, tests__a_test="")
    (tmp_path / "tests" / "BUILD").write_text(
        'py_test(name = "a_test", size = "small", tags = ["local"],\n'
        '        data = ["x.png"], deps = [":gone"])'
    )
    (tmp_path / "pyproject.toml").write_text("")
    text = _build(tmp_path, "tests")
    assert 'size = "small"' in text
    assert 'tags = ["local"]' in text
    assert '"x.png",\n        "//:pyproject.toml"' in text
    assert "gone" not in text


def test_expressions_written_by_hand_are_kept(tmp_path):
    _tree(tmp_path, tests__a_test="")
    build = tmp_path / "tests" / "BUILD"
    build.write_text('py_test(name = "a_test", data = glob(["*.png"]))')
    (tmp_path / "pyproject.toml").write_text("")
    expected = 'data = glob(["*.png"]) + ["//:pyproject.toml"],'
    for _ in range(2):
        build.write_text(_build(tmp_path, "tests"))
        assert build.read_text().count(expected) == 1


def test_circle_is_found(tmp_path):
    _tree(
        tmp_path,
        keras_vae__a="import keras_vae.b",
        keras_vae__b="def f():\n    import keras_vae.a",
    )
    modules = build_files.find_modules(tmp_path)
    assert build_files.find_cycle(modules) == [
        "keras_vae.a",
        "keras_vae.b",
        "keras_vae.a",
    ]


def test_write_brings_files_up_to_date(tmp_path, capsys):
    _tree(tmp_path, keras_vae__a="")
    flags = ["--root", str(tmp_path)]
    assert build_files.main(flags) == 1
    assert "keras_vae/BUILD is out of date" in capsys.readouterr().out
    assert build_files.main([*flags, "--write"]) == 0
    assert build_files.main(flags) == 0


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
