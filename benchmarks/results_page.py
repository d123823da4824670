"""Makes `RESULTS.md` of the tables in `benchmarks/results`.

python -m benchmarks.results_page           # says whether it is current
python -m benchmarks.results_page --write   # brings it up to date
"""

import argparse
import pathlib
import sys
from collections.abc import Mapping, Sequence

from benchmarks import records

__all__ = ["PAGE", "main", "page"]

PAGE = records.RESULTS.parent / "RESULTS.md"

# Heading -> the tables below it, in order.
_SECTIONS = {
    "Likelihoods": (
        "likelihoods",
        "parts",
        "vanilla_vs_nvae",
        "versions",
    ),
    "Speed": ("throughput", "whole_commands", "cpu_choices"),
    "Serving": ("serving_load", "serving_soak"),
    "Imputation, augmentation, outliers": (
        "imputation",
        "augmentation",
        "outliers",
    ),
    "Hierarchies": (
        "hierarchy_choices",
        "importance_weighted",
        "hierarchy_speed",
        "hierarchy_steps",
        "optimizers",
    ),
    "NVAE": ("nvae_scaling", "nvae_presets"),
    "One GPU": ("gpu_likelihoods", "gpu_start"),
}

_START = """\
# Results

What was measured, by what a reader may ask. Below each table stands how each
figure was made: protocol, machine, version (a commit; "at or before" where the
commit of the run was not written down), day, and the commands that make it
again. `MNIST` stands for a folder with the original archives; where there is no
network, add `--manual_dir=MNIST` to `apps/train.py`.

This page is made by `python -m benchmarks.results_page --write` from the JSON
files in [results](results).
"""


def page(tables: Mapping[str, records.Table]) -> str:
    """Returns the page as Markdown.

    Raises:
        ValueError: If a table has no section, or a section no table.
    """
    listed = [name for names in _SECTIONS.values() for name in names]
    if sorted(listed) != sorted(tables):
        difference = sorted(set(listed) ^ set(tables))
        raise ValueError(
            "Each table must be in one section of the page, and each of the "
            f"sections' tables a file. Received: {', '.join(difference)}"
        )
    parts = [_START]
    for heading, names in _SECTIONS.items():
        parts += [f"## {heading}", *(_table(tables[n]) for n in names)]
    return "\n".join(parts)


def _table(table: records.Table) -> str:
    header, *rows = table.rows()
    several = len(table.records) > 1
    if several:
        numbers = [
            str(number)
            for number, record in enumerate(table.records, 1)
            for _ in record.rows
        ]
        header = [*header, "how"]
        rows = [[*row, n] for row, n in zip(rows, numbers, strict=True)]
    parts = [f"### {table.title}"]
    if table.about:
        parts.append(f"{table.about}\n")
    parts.append(f"{records.markdown([header, *rows])}\n")
    mark = "1." if several else "-"
    parts += [f"{mark} {_how(record)}" for record in table.records]
    return "\n".join(parts) + "\n"


def _how(record: records.Record) -> str:
    """Returns how a record was made, after the anchor of links to it."""
    version = record.version.replace("<=", "at or before ")
    commands = ", ".join(f"`{command}`" for command in record.command)
    return (
        f'<a id="{record.name}"></a>{record.protocol}. {record.machine}. '
        f"Version {version}, {record.date}. {commands}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Compares the page with the tables, or writes it.

    Args:
        arguments: Command-line arguments; those of the process if None.

    Returns:
        The exit status: 1 if the page is not current.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--page", type=pathlib.Path, default=PAGE)
    flags = parser.parse_args(arguments)
    text = page(records.load())
    if flags.write:
        flags.page.write_text(text)
    elif not flags.page.exists() or flags.page.read_text() != text:
        print(
            "error: the page is not current: run `python -m "
            f"benchmarks.results_page --write`. Received: {flags.page}",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
