"""Tests of results as data, and of those that are kept."""

import dataclasses
import decimal
import functools
import json
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

from benchmarks import records
from benchmarks.records import Column, Record, Table

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_COLUMNS = [Column("nll", "NLL", "nats/image"), Column("draws", "K")]
_RECORD = Record(
    "a_run",
    "test images",
    "a machine",
    "<=0123abc",
    "2026-11-23",
    ["python -m benchmarks.evaluation"],
    [
        {"label": "x", "nll": records.figure(84.8, 0.2, 2), "draws": 1000},
        {"label": "y", "nll": [1, records.rounded(2.5, 1)]},
    ],
)
_TABLE = Table("some", "Some", "About.", "model", _COLUMNS, [_RECORD])


def test_json_and_tables_keep_every_digit(tmp_path):
    (tmp_path / "some.json").write_text(records.dumps(_TABLE))
    assert '"value": 84.80' in (tmp_path / "some.json").read_text()
    read = records.load(tmp_path)["some"]
    assert records.dumps(read) == records.dumps(_TABLE)
    assert read.markdown().splitlines() == [
        "| model | NLL, nats/image | K |",
        "| --- | --- | --- |",
        "| x | 84.80 ± 0.20 | 1,000 |",
        "| y | 1; 2.5 |  |",
    ]


def test_numbers_have_their_standard_errors():
    exact = decimal.Decimal
    assert _RECORD.numbers() == [
        (exact("84.80"), exact("0.20")),
        (1000, None),
        (1, None),
        (exact("2.5"), None),
    ]


def test_a_single_image_has_no_standard_error():
    assert records.figure(84.8, None, 2) == records.rounded(84.8, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "A run"}, "`name` must be lower-case.*Received: 'A run'"),
        ({"protocol": ""}, "`protocol` must not be empty"),
        ({"machine": ""}, "`machine` must not be empty"),
        ({"version": "yesterday"}, "`version` must be a commit"),
        ({"date": "23.11.2026"}, "Invalid isoformat"),
        ({"command": []}, "`command` must not be empty"),
        ({"rows": []}, "`rows` must not be empty"),
        ({"rows": [{"label": "x"}]}, "must have a label and a figure"),
        ({"rows": [{"nll": 1, "draws": 1}]}, "must have a label and a figure"),
        ({"rows": [{"label": "x", "elbo": 1}]}, "columns of its table.*elbo"),
        ({"rows": [{"label": "x", "nll": "84.8"}]}, "whole number or a finite"),
        ({"rows": [{"label": "x", "nll": True}]}, "whole number or a finite"),
        ({"rows": [{"label": "x", "nll": {"value": 1}}]}, "whole number or a"),
        (
            {"rows": [{"label": "x", "nll": decimal.Decimal("NaN")}]},
            "whole number or a finite",
        ),
    ],
)
def test_what_is_not_a_record_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        record = dataclasses.replace(_RECORD, **change)
        dataclasses.replace(_TABLE, records=[record])


def test_files_with_other_fields_or_names_twice_are_refused(tmp_path):
    text = records.dumps(_TABLE)
    (tmp_path / "some.json").write_text(text.replace('"machine"', '"host"'))
    with pytest.raises(ValueError, match="fields of `Table`.*some.json"):
        records.load(tmp_path)
    (tmp_path / "some.json").write_text(text)
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ValueError, match="must be its own.*a_run"):
        records.load(tmp_path)


def test_publishing_replaces_the_record_and_keeps_the_others(tmp_path, capsys):
    path = tmp_path / "some.json"
    other = dataclasses.replace(_RECORD, name="another")
    both = dataclasses.replace(_TABLE, records=[_RECORD, other])
    path.write_text(records.dumps(both))
    new = dataclasses.replace(_RECORD, rows=[{"label": "z", "speed": 7}])
    columns = [Column("speed", "speed", "images/s")]
    records.publish("some", "Ours", "model", columns, new, tmp_path)
    assert "| z | 7 |" in capsys.readouterr().out
    after = records.load(tmp_path)["some"]
    assert (after.title, after.about) == ("Some", "About.")
    assert [c.key for c in after.columns] == ["speed", "nll", "draws"]
    assert [r.name for r in after.records] == ["a_run", "another"]
    assert after.records[0].rows == [{"label": "z", "speed": 7}]


def test_without_a_folder_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records.publish("some", "Ours", "model", _COLUMNS, _RECORD, None)
    assert not list(tmp_path.iterdir())


def test_a_record_of_this_process_says_how_it_came(monkeypatch):
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "/x/benchmarks/some.py",
            "--mnist=A B",
            "--results=benchmarks/results",
        ],
    )
    monkeypatch.setattr(records.processes, "call", lambda command: "0123abc\n")
    record = records.here("here", "protocol", [{"label": "x", "nll": 1}])
    assert record.version == "0123abc"
    assert record.command == ["python -m benchmarks.some '--mnist=A B'"]
    assert f"Python {sys.version.split()[0]}" in record.machine


def test_kept_files_are_written_as_the_benchmarks_write_them():
    for name, table in records.load().items():
        text = (records.RESULTS / f"{name}.json").read_text()
        assert text == records.dumps(table), name
        assert json.loads(text)


@functools.cache
def _flags_of_app(*command: str) -> set[str]:
    """Flags that an app's `--helpfull` shows, without importing TensorFlow."""
    shown = subprocess.run(
        [sys.executable, *command, "--helpfull"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = re.findall(r"^\s+(?:-\w,)?--(\[no\])?([\w.]+)", shown, re.M)
    return {name for _, name in found} | {"no" + n for no, n in found if no}


def _check_app(program: str, options: list[str]) -> None:
    """Checks that an app has these flags, which `--model` and parts decide."""
    choices = [o for o in options if o.startswith(("--model", "--config."))]
    names = {option.removeprefix("--").partition("=")[0] for option in options}
    model = [option for option in choices if option.startswith("--model")]
    if names - _flags_of_app(program, *model):
        unknown = names - _flags_of_app(program, *choices)
        assert not unknown, f"{program} has no {sorted(unknown)}"


def _check_benchmark(module: str, options: list[str]) -> None:
    path = _ROOT / f"{module.replace('.', '/')}.py"
    known = set(re.findall(r'"--(\w+)"', path.read_text()))
    names = {option.removeprefix("--").partition("=")[0] for option in options}
    assert names <= known, f"{module} has no {sorted(names - known)}"


@pytest.mark.parametrize("name", sorted(records.load()))
def test_commands_name_programs_and_flags_that_exist(name):
    for record in records.load()[name].records:
        for command in record.command:
            words = shlex.split(command)
            while "=" in words[0] or words[0] == "taskset":
                words = words[3:] if words[0] == "taskset" else words[1:]
            options = [word for word in words if word.startswith("--")]
            if words[0] == "make":
                assert f"\n{words[1]}:" in (_ROOT / "Makefile").read_text()
            elif words[:2] == ["python", "-m"]:
                _check_benchmark(words[2], options)
            else:
                assert words[0] == "python"
                _check_app(words[1], options)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
