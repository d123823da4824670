"""The result of a comparison as Markdown."""

import pathlib
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["SIDES", "Run", "markdown", "write_block"]

SIDES = {
    "keras_vae": "keras_vae, automatic precision",
    "keras_vae_float32": "keras_vae, float32",
    "pythae": "Pythae",
}

_BEGIN, _END = "<!-- throughput: begin -->", "<!-- throughput: end -->"


class Run(NamedTuple):
    """What one worker measured.

    Attributes:
        images_per_second: Training images a second, epochs after the first.
        epochs: Number of epochs, the first included.
        peak_rss_mb: Largest resident memory of the process, 10^6 bytes.
        other_cores: Cores that other processes used meanwhile, on average: a
            run that had the machine to itself has almost 0.
    """

    images_per_second: float
    epochs: int
    peak_rss_mb: float
    other_cores: float


def markdown(
    runs: Mapping[str, Sequence[Run]], num_images: int, machine: str
) -> str:
    """Returns the result as Markdown.

    Args:
        runs: Side -> its runs, one a round.
        num_images: Images of an epoch.
        machine: Description of the machine.

    Returns:
        block: a table of the sides, and where there are two a table of the
        rounds, whose last row is the ratio of the medians.
    """
    epochs = next(iter(runs.values()))[0].epochs
    rows = [
        (
            f"Dense VAE 784-512-16-512-784, batch 128, {num_images:,} images, "
            f"{epochs} epochs of which the first is not measured; "
            f"{len(next(iter(runs.values())))} rounds, in turn."
        ),
        "",
        f"Machine: {machine}.",
        "",
        "| images/s | min | median | max | peak memory, MB "
        "| cores used by others |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    speeds = {s: [r.images_per_second for r in runs[s]] for s in runs}
    for side, values in speeds.items():
        numbers = (min(values), statistics.median(values), max(values))
        others = [run.other_cores for run in runs[side]]
        cells = [
            SIDES[side],
            *(f"{number:,.0f}" for number in numbers),
            f"{max(run.peak_rss_mb for run in runs[side]):,.0f}",
            f"{min(others):.2f} ... {max(others):.2f}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    theirs = speeds.get("pythae")
    for side, ours in speeds.items():
        if theirs and side != "pythae":
            rows += ["", *_ratio_table(SIDES[side], ours, theirs)]
    return "\n".join(rows) + "\n"


def _ratio_table(
    name: str, ours: Sequence[float], theirs: Sequence[float]
) -> list[str]:
    """Rows of the table with the ratio of each round and of the medians."""
    pairs = [
        *(
            (str(i), *p)
            for i, p in enumerate(zip(ours, theirs, strict=True), 1)
        ),
        ("medians", statistics.median(ours), statistics.median(theirs)),
    ]
    return [
        f"| round | {name} | Pythae | ratio |",
        "| --- | --- | --- | --- |",
        *(f"| {n} | {a:,.0f} | {b:,.0f} | {a / b:.2f} |" for n, a, b in pairs),
    ]


def write_block(path: pathlib.Path, block: str) -> None:
    """Writes `block` between the markers of a Markdown file.

    Args:
        path: File; made if it is missing, and the markers are added at its
            end if they are.
        block: Markdown.
    """
    text = path.read_text() if path.exists() else ""
    if _BEGIN not in text or _END not in text:
        text = f"{text.rstrip()}\n\n{_BEGIN}\n{_END}\n".lstrip()
    before, _, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2]
    path.write_text(f"{before}{_BEGIN}\n{block}{_END}{after}")
