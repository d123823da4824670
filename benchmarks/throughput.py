"""Training throughput of `keras_vae` against Pythae, on one machine.

Both sides train the same dense VAE (784-512-16-512-784) on the same images
with batches of 128, each in a process and an environment of its own, and in
turn (A B A B ...), so that a machine that slows down slows both:

    python -m benchmarks.throughput --epochs=5 --rounds=3

Without `--pythae_env` the environment of Pythae is made anew and thrown away;
with it, it is made there once and used again.
"""

import argparse
import gzip
import os
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks import processes, records

__all__ = [
    "SIDES",
    "Run",
    "load_mnist",
    "main",
    "make_pythae_env",
    "rows",
    "run_rounds",
]

SIDES = {
    "keras_vae": "keras_vae, automatic precision",
    "keras_vae_float32": "keras_vae, float32",
    "pythae": "Pythae",
}

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_PYTHAE_WORKER = pathlib.Path(__file__).resolve().parent / "pythae_worker.py"

# PyTorch first and pinned: Pythae asks for any release of it.
_PYTHAE_REQUIREMENTS = ("torch==2.13.0", "pythae==0.1.2")

_PACKAGES = {
    "keras_vae": ("tensorflow", "keras"),
    "keras_vae_float32": ("tensorflow", "keras"),
    "pythae": ("torch", "pythae"),
}

_COLUMNS = (
    records.Column("rounds", "by round", "images/s"),
    records.Column("median", "median", "images/s"),
    records.Column("ratios", "ratio to Pythae by round"),
    records.Column("ratio", "ratio of medians"),
    records.Column("peak_rss", "peak memory", "MB"),
    records.Column("other_cores", "cores used by others, at most"),
)


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


def rows(runs: Mapping[str, Sequence[Run]]) -> list[dict[str, Any]]:
    """Returns a row for each side, with its ratio to Pythae if that ran.

    Args:
        runs: Side -> its runs, one a round.
    """
    speeds = {side: [r.images_per_second for r in runs[side]] for side in runs}
    medians = {side: statistics.median(speeds[side]) for side in runs}
    found = []
    for side, ours in runs.items():
        row: dict[str, Any] = {
            "label": SIDES[side],
            "rounds": [records.rounded(speed, 0) for speed in speeds[side]],
            "median": records.rounded(medians[side], 0),
        }
        if side != "pythae" and "pythae" in runs:
            pairs = zip(speeds[side], speeds["pythae"], strict=True)
            ratio = medians[side] / medians["pythae"]
            row["ratios"] = [records.rounded(a / b, 2) for a, b in pairs]
            row["ratio"] = records.rounded(ratio, 2)
        row["peak_rss"] = records.rounded(max(r.peak_rss_mb for r in ours), 0)
        others = max(run.other_cores for run in ours)
        found.append({**row, "other_cores": records.rounded(others, 2)})
    return found


def load_mnist(folder: pathlib.Path, num_images: int) -> np.ndarray:
    """Reads the first training images from MNIST's original archive.

    Args:
        folder: Holds `train-images-idx3-ubyte.gz`.
        num_images: How many to keep.

    Returns:
        images: uint8 [num_images, 784].
    """
    path = folder / "train-images-idx3-ubyte.gz"
    with gzip.open(path) as file:
        # The header is four big-endian int32: magic, count, rows, columns.
        header = np.frombuffer(file.read(16), ">i4")
        if header[0] != 2051:
            raise ValueError(
                "`folder` must hold MNIST's archive of training images, of "
                f"magic number 2051. Received: {path} with {header[0]}."
            )
        if num_images > header[1]:
            raise ValueError(
                f"`num_images` must be at most {header[1]}. Received: "
                f"num_images={num_images}."
            )
        pixels = int(header[2] * header[3])
        images = np.frombuffer(file.read(num_images * pixels), np.uint8)
    return images.reshape(num_images, pixels)


def make_pythae_env(folder: pathlib.Path) -> pathlib.Path:
    """Makes a virtual environment with Pythae, unless it is there.

    Args:
        folder: Where; missing or empty, or made by this function before.

    Returns:
        python: its Python.
    """
    python = folder / "bin" / "python"
    if not python.exists():
        processes.call([sys.executable, "-m", "venv", str(folder)])
    # Where all is installed already, pip says so in about a second.
    for requirement in _PYTHAE_REQUIREMENTS:
        processes.call(
            [str(python), "-m", "pip", "install", "--quiet", requirement]
        )
    return python


def _environment(side: str) -> dict[str, str]:
    """Environment variables for the process of a side."""
    env = dict(os.environ)
    # Pythae's process must not see packages of the environment of this one.
    env.pop("PYTHONPATH", None)
    if side != "pythae":
        env["PYTHONPATH"] = str(_ROOT)
    return env


def _busy_seconds() -> float:
    """Seconds that all cores together have worked since the machine started."""
    with open("/proc/stat") as file:
        # cpu, user, nice, system, idle, iowait, irq, softirq, steal, ...
        fields = [int(field) for field in file.readline().split()[1:9]]
    ticks = sum(fields) - fields[3] - fields[4]
    return ticks / os.sysconf("SC_CLK_TCK")


def _children_seconds() -> float:
    """Seconds of processor time of this process's ended children."""
    times = os.times()
    return times.children_user + times.children_system


def _measure(
    side: str, python: pathlib.Path, data: pathlib.Path, epochs: int
) -> Run:
    """Runs the worker of one side once."""
    script = (
        [str(_PYTHAE_WORKER)]
        if side == "pythae"
        else ["-m", "benchmarks.keras_vae_worker"]
    )
    options = ["--precision=float32"] if side == "keras_vae_float32" else []
    start, busy, own = time.monotonic(), _busy_seconds(), _children_seconds()
    result = processes.call_worker(
        [str(python), *script, str(data), f"--epochs={epochs}", *options],
        _environment(side),
    )
    others = (_busy_seconds() - busy) - (_children_seconds() - own)
    return Run(
        result["images_per_second"],
        result["epochs"],
        result["peak_rss_mb"],
        max(0.0, others / (time.monotonic() - start)),
    )


def run_rounds(
    pythons: Mapping[str, pathlib.Path],
    data: pathlib.Path,
    epochs: int,
    rounds: int,
) -> dict[str, list[Run]]:
    """Runs the sides in turn.

    Args:
        pythons: Side -> its Python, in the order to run them.
        data: `.npz` with `images`, uint8 [N, 784].
        epochs: Epochs of each run, at least 2.
        rounds: How often each side runs.

    Returns:
        runs: side -> its runs, one a round.
    """
    runs: dict[str, list[Run]] = {side: [] for side in pythons}
    for number in range(1, rounds + 1):
        for side, python in pythons.items():
            run = _measure(side, python, data, epochs)
            runs[side].append(run)
            print(
                f"round {number} of {rounds}, {SIDES[side]}: "
                f"{run.images_per_second:,.0f} images/s, "
                f"{run.peak_rss_mb:,.0f} MB, "
                f"others used {run.other_cores:.2f} cores",
                file=sys.stderr,
                flush=True,
            )
    return runs


def _machine(pythons: Mapping[str, pathlib.Path]) -> str:
    """One line: processor, cores and versions."""
    code = (
        "import importlib.metadata as m, platform, sys; "
        "print(platform.python_version(), *map(m.version, sys.argv[1:]))"
    )
    parts = [processes.processor(), f"{len(os.sched_getaffinity(0))} cores"]
    for side, python in pythons.items():
        packages = _PACKAGES[side]
        found = processes.call(
            [str(python), "-c", code, *packages], _environment(side)
        )
        names = zip(("Python", *packages), found.split(), strict=True)
        parts.append(", ".join(f"{name} {version}" for name, version in names))
    return "; ".join(parts)


def _flags(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--mnist",
        type=pathlib.Path,
        default=_ROOT.parent / "shared" / "data" / "mnist",
        help="folder with MNIST's original archives",
    )
    parser.add_argument("--num_images", type=int, default=55_000)
    parser.add_argument("--epochs", type=int, default=5, help="at least 2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--sides",
        nargs="+",
        choices=list(SIDES),
        default=list(SIDES),
    )
    parser.add_argument(
        "--pythae_env",
        type=pathlib.Path,
        help="folder of Pythae's environment, kept; else a temporary one",
    )
    records.add_flag(parser)
    flags = parser.parse_args(arguments)
    for name, least in (("epochs", 2), ("rounds", 1), ("num_images", 128)):
        value = getattr(flags, name)
        if value < least:
            parser.error(
                f"--{name} must be at least {least}. Received: {value}."
            )
    return flags


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures the training throughput of keras_vae and Pythae, in turn.

    Args:
        arguments: Command-line arguments; those of the process if None.
    """
    flags = _flags(arguments)
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "images.npz"
        np.savez(data, images=load_mnist(flags.mnist, flags.num_images))
        pythons = {side: pathlib.Path(sys.executable) for side in flags.sides}
        if "pythae" in pythons:
            pythons["pythae"] = make_pythae_env(
                flags.pythae_env or pathlib.Path(folder) / "pythae"
            )
        runs = run_rounds(pythons, data, flags.epochs, flags.rounds)
        machine = _machine(pythons)
    protocol = (
        f"{flags.num_images:,} images, {flags.epochs} epochs, of which the "
        f"first is not measured; {flags.rounds} rounds, in turn"
    )
    record = records.here("throughput", protocol, rows(runs), machine)
    title = "Training throughput against Pythae"
    records.publish(
        "throughput", title, "side", _COLUMNS, record, flags.results
    )


if __name__ == "__main__":
    main()
