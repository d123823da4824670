"""Tests of the page of results, and of the figures that documents quote."""

import decimal
import pathlib
import re

import pytest

from benchmarks import records, results_page

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_DOCUMENTS = [_ROOT / "README.md", *sorted((_ROOT / "docs").glob("*.md"))]
_RECORDS = {r.name: r for t in records.load().values() for r in t.records}

_NUMBER = r"-?\d[\d,]*(?:\.\d+)?"
_FIGURE = re.compile(rf"({_NUMBER})(?:\s±\s({_NUMBER}))?")
# [84.83 ± 0.21 nats][vae_10min], and where that leads.
_QUOTE = re.compile(r"\[([^\]]+)\]\[(\w+)\]")
_TARGET = re.compile(
    r"^\[(\w+)\]: (?:\.\./)?benchmarks/RESULTS\.md#(\S+)$", re.M
)
_LOOKS_MEASURED = re.compile(r"\d\s±\s\d|\d\.\d\d+\*{0,2}\s(?:nats|times)\b")


def _is_found(text: str, number: decimal.Decimal | int | None) -> bool:
    """Whether a quoted number is that of a record, or rounded from it."""
    if number is None:
        return False
    quoted = decimal.Decimal(text.replace(",", ""))
    unit = decimal.Decimal((0, (1,), quoted.as_tuple().exponent))
    return 2 * abs(number - quoted) <= unit


def _wrong(text: str, record: records.Record) -> list[str]:
    """The figures in a text that a record does not have."""
    figures = _FIGURE.findall(text)
    missing = [
        f"{value} ± {error}" if error else value
        for value, error in figures
        if not any(
            _is_found(value, number) and (not error or _is_found(error, other))
            for number, other in record.numbers()
        )
    ]
    return missing if figures else [text]


def test_the_page_is_current(capsys):
    assert results_page.main([]) == 0, capsys.readouterr().err


def test_a_page_that_is_not_current_is_told_and_written(tmp_path, capsys):
    page = tmp_path / "RESULTS.md"
    assert results_page.main([f"--page={page}"]) == 1
    assert "is not current" in capsys.readouterr().err
    assert results_page.main(["--write", f"--page={page}"]) == 0
    assert results_page.main([f"--page={page}"]) == 0


def test_each_table_is_on_the_page():
    tables = records.load()
    with pytest.raises(ValueError, match="one section.*Received: new"):
        results_page.page({**tables, "new": tables["outliers"]})
    del tables["outliers"]
    with pytest.raises(ValueError, match="one section.*Received: outliers"):
        results_page.page(tables)


def test_each_record_has_an_anchor_a_row_and_its_commands():
    text = results_page.page(records.load())
    for record in _RECORDS.values():
        (line,) = re.findall(rf'^.*<a id="{record.name}"></a>.*$', text, re.M)
        for command in record.command:
            assert f"`{command}`" in line
        for row in record.rows:
            assert f"\n| {row['label']} | " in text


def test_the_page_is_short():
    assert results_page.page(records.load()).count("\n") < 330


def test_quotes_are_held_against_records():
    record = _RECORDS["vae_10min"]
    assert not _wrong("84.83 ± 0.21 nats", record)
    assert not _wrong("84.8 and 89.63", record)
    assert _wrong("84.84", record) == ["84.84"]
    assert _wrong("84.83 ± 0.22", record) == ["84.83 ± 0.22"]
    assert _wrong("no figure", record) == ["no figure"]


@pytest.mark.parametrize("path", _DOCUMENTS, ids=lambda path: path.name)
def test_figures_that_documents_quote_are_those_of_records(path):
    text = path.read_text()
    targets = dict(_TARGET.findall(text))
    quotes = [q for q in _QUOTE.findall(text) if q[1] in targets]
    assert {name for _, name in quotes} == targets.keys()
    for quote, name in quotes:
        assert targets[name] in _RECORDS, f"{name} is no record"
        wrong = _wrong(quote, _RECORDS[targets[name]])
        assert not wrong, f"{wrong} is not in the record {name}"


@pytest.mark.parametrize("path", _DOCUMENTS, ids=lambda path: path.name)
def test_what_looks_measured_leads_to_a_record(path):
    prose = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.M | re.S)
    for line in _QUOTE.sub("", prose).splitlines():
        assert not _LOOKS_MEASURED.search(line), line


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
