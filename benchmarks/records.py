"""Results as data: tables of figures that say how each was measured.

A file `benchmarks/results/NAME.json` holds one `Table`. A benchmark prints its
table and, with `--results=benchmarks/results`, writes it there;
`benchmarks.results_page` makes `RESULTS.md` of all of them.
"""

import argparse
import dataclasses
import datetime
import decimal
import json
import pathlib
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import processes

__all__ = [
    "RESULTS",
    "Column",
    "Record",
    "Table",
    "add_flag",
    "dumps",
    "figure",
    "here",
    "load",
    "markdown",
    "publish",
    "rounded",
]

RESULTS = pathlib.Path(__file__).resolve().parent / "results"

Number = int | decimal.Decimal

# The commit that was measured; `<=` before it where the commit of the run was
# not written down, and the figure was first recorded in this one.
_VERSION = re.compile(r"(<=)?[0-9a-f]{7,40}")


@dataclasses.dataclass(frozen=True)
class Column:
    """A figure that each row has, or most of them.

    Attributes:
        key: Its name in a row.
        title: Its name for people.
        unit: Such as `nats/image`; empty for counts and ratios.
    """

    key: str
    title: str
    unit: str = ""


@dataclasses.dataclass(frozen=True)
class Record:
    """What one measurement found.

    Attributes:
        name: Unique over all tables; the anchor of its links.
        protocol: What was measured and how, for people.
        machine: Processor, cores, versions.
        version: Commit; `<=COMMIT` if recorded then, and run then or before.
        date: Of the measurement, or where that is not known of its first
            record, YYYY-MM-DD.
        command: Command lines that measure it again.
        rows: `label` -> its text, and the key of a column -> a number with
            the decimals that are known (`rounded`), a list of numbers, or a
            number with its standard error (`figure`).
    """

    name: str
    protocol: str
    machine: str
    version: str
    date: str
    command: Sequence[str]
    rows: Sequence[Mapping[str, Any]]

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise ValueError(
                "`name` must be lower-case letters, digits and _. Received: "
                f"{self.name!r}"
            )
        for key in ("protocol", "machine", "command", "rows"):
            if not getattr(self, key):
                raise ValueError(
                    f"`{key}` must not be empty. Received: {self.name}"
                )
        if not _VERSION.fullmatch(self.version):
            raise ValueError(
                "`version` must be a commit, or `<=` and a commit. Received: "
                f"{self.version!r} in {self.name}"
            )
        datetime.date.fromisoformat(self.date)

    def numbers(self) -> list[tuple[Number, Number | None]]:
        """Returns each figure of the record with its standard error."""
        values = [
            value
            for row in self.rows
            for key, value in row.items()
            if key != "label"
        ]
        return [pair for value in values for pair in _numbers(value)]


@dataclasses.dataclass(frozen=True)
class Table:
    """Records with the same columns.

    Attributes:
        name: Of its file, without `.json`.
        title: For people.
        about: How to read it; may be empty.
        label: Header of the rows' labels.
        columns: Of the figures.
        records: The oldest need not be first; their order is that of the rows.
    """

    name: str
    title: str
    about: str
    label: str
    columns: Sequence[Column]
    records: Sequence[Record]

    def __post_init__(self) -> None:
        keys = {column.key for column in self.columns}
        for record in self.records:
            for row in record.rows:
                _check_row(row, keys, f"{self.name}, {record.name}")

    def rows(self) -> list[list[str]]:
        """Returns the cells of the header and of each row, as text."""
        header = [
            f"{c.title}, {c.unit}" if c.unit else c.title for c in self.columns
        ]
        return [
            [self.label, *header],
            *(
                [row["label"], *(_cell(row.get(c.key)) for c in self.columns)]
                for record in self.records
                for row in record.rows
            ),
        ]

    def markdown(self) -> str:
        """Returns the figures as a Markdown table."""
        return markdown(self.rows())


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Returns cells, the header's first, as a Markdown table."""
    header, *body = ["| " + " | ".join(cells) + " |" for cells in rows]
    return "\n".join([header, "|" + " --- |" * len(rows[0]), *body])


def rounded(value: float, digits: int) -> decimal.Decimal:
    """Returns a number with so many decimals, which JSON and tables keep."""
    return decimal.Decimal(f"{value:.{digits}f}")


def figure(value: float, standard_error: float | None, digits: int) -> Any:
    """Returns a figure of a row, with its standard error if it has one."""
    if standard_error is None:
        return rounded(value, digits)
    return {
        "value": rounded(value, digits),
        "standard_error": rounded(standard_error, digits),
    }


def _check_row(row: Mapping[str, Any], keys: set[str], where: str) -> None:
    if not row.get("label") or len(row) < 2:
        raise ValueError(
            f"A row must have a label and a figure. Received: {row} in {where}"
        )
    unknown = row.keys() - keys - {"label"}
    if unknown:
        raise ValueError(
            f"The figures of a row must be columns of its table. Received: "
            f"{', '.join(sorted(unknown))} in {where}"
        )
    for key in row.keys() - {"label"}:
        for pair in _numbers(row[key]):
            for number in pair:
                if number is not None and not _is_number(number):
                    raise ValueError(
                        "A figure must be a whole number or a finite Decimal. "
                        f"Received: {key}={row[key]!r} in {where}"
                    )


def _is_number(value: Any) -> bool:
    return type(value) is int or (
        isinstance(value, decimal.Decimal) and value.is_finite()
    )


def _numbers(value: Any) -> list[tuple[Any, Any]]:
    """Returns the numbers of a figure, each with its standard error."""
    if isinstance(value, Mapping):
        return [(value.get("value", ""), value.get("standard_error", ""))]
    return [(n, None) for n in (value if isinstance(value, list) else [value])]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return "; ".join(
        " ± ".join(f"{number:,}" for number in pair if number is not None)
        for pair in _numbers(value)
    )


def load(folder: pathlib.Path = RESULTS) -> dict[str, Table]:
    """Reads all tables of a folder.

    Returns:
        tables: by name.

    Raises:
        ValueError: If one is not as it must be, or two records have one name.
    """
    tables = {p.stem: _read(p) for p in sorted(folder.glob("*.json"))}
    names = [r.name for table in tables.values() for r in table.records]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(
            f"A record's name must be its own. Received: {sorted(twice)}"
        )
    return tables


def _read(path: pathlib.Path) -> Table:
    values = json.loads(path.read_text(), parse_float=decimal.Decimal)
    try:
        columns = [Column(**column) for column in values.pop("columns")]
        records = [Record(**record) for record in values.pop("records")]
        return Table(path.stem, columns=columns, records=records, **values)
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"A file of results must have the fields of `Table`, `Column` and "
            f"`Record`. Received: {path.name} ({error})"
        ) from error


def here(
    name: str,
    protocol: str,
    rows: Sequence[Mapping[str, Any]],
    machine: str = "",
) -> Record:
    """Returns a record of this process: its command, version and day.

    Args:
        name: The record's.
        protocol: The record's.
        rows: The record's.
        machine: The machine, if more than this process is to be said of it.
    """
    words = [f"-m benchmarks.{pathlib.Path(sys.argv[0]).stem}"]
    words += [shlex.quote(a) for a in sys.argv[1:] if "--results" not in a]
    return Record(
        name,
        protocol,
        machine or processes.machine(),
        processes.call(["git", "rev-parse", "--short", "HEAD"]).strip(),
        datetime.date.today().isoformat(),
        [" ".join(["python", *words])],
        rows,
    )


def add_flag(parser: argparse.ArgumentParser) -> None:
    """Adds `--results`, which `publish` takes."""
    parser.add_argument(
        "--results",
        type=pathlib.Path,
        help="folder that keeps the figures, such as benchmarks/results",
    )


def publish(
    name: str,
    title: str,
    label: str,
    columns: Sequence[Column],
    record: Record,
    results: pathlib.Path | None,
) -> None:
    """Prints a record as a table and, where `results` is given, keeps it there.

    Of a file that is there already, title, text, other columns and records of
    other names stay.

    Args:
        name: Of the file, without `.json`.
        title: Of the table.
        label: Header of the rows' labels.
        columns: Of the record's figures.
        record: What was measured.
        results: Folder of the files.
    """
    table = Table(name, title, "", label, columns, [record])
    print(f"{title}: {record.protocol}. {record.machine}.\n")
    print(f"{table.markdown()}\n", flush=True)
    if results is None:
        return
    path = results / f"{name}.json"
    if path.exists():
        before = _read(path)
        kept = {each.name: each for each in before.records}
        table = dataclasses.replace(
            before,
            columns=[*{c.key: c for c in (*columns, *before.columns)}.values()],
            records=list({**kept, record.name: record}.values()),
        )
    results.mkdir(parents=True, exist_ok=True)
    path.write_text(dumps(table))


def dumps(table: Table) -> str:
    """Returns a table as JSON: a line for each column, row and text."""
    values = dataclasses.asdict(table)
    del values["name"]
    return _dumps(values, 0) + "\n"


def _dumps(value: Any, indent: int) -> str:
    pad, end = "\n" + " " * (indent + 2), "\n" + " " * indent
    if _is_list_of_dicts(value):
        parts = [_dumps(item, indent + 2) for item in value]
        return "[" + pad + f",{pad}".join(parts) + end + "]"
    if isinstance(value, dict) and any(map(_is_list_of_dicts, value.values())):
        items = value.items()
        parts = [f'"{key}": {_dumps(v, indent + 2)}' for key, v in items]
        return "{" + pad + f",{pad}".join(parts) + end + "}"
    return _line(value)


def _line(value: Any) -> str:
    """Returns JSON on one line; of decimals every digit."""
    if isinstance(value, Mapping):
        parts = [f'"{key}": {_line(item)}' for key, item in value.items()]
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_line, value)) + "]"
    if isinstance(value, decimal.Decimal):
        return f"{value:f}"
    return json.dumps(value, ensure_ascii=False)


def _is_list_of_dicts(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) > 0
        and isinstance(value[0], dict)
    )
