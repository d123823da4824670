"""Training throughput by precision, with and without XLA.

    python -m benchmarks.precision_and_xla

The choices that `--precision=auto` and `--jit_compile=auto` make on CPUs rest
on this. Each measurement is a process of its own, and the rounds go through all
of them in turn, so that a machine that slows down slows all.
"""

import argparse
import pathlib
import statistics
import sys
import tempfile

import numpy as np

from benchmarks import processes, records
from benchmarks.throughput import load_mnist

__all__ = ["main"]

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_MODELS = ("dense", "residual")
_PRECISIONS = ("float32", "mixed_bfloat16")
_COLUMNS = (
    records.Column("without", "without", "images/s"),
    records.Column("with", "with", "images/s"),
    records.Column("ratio", "ratio"),
)


def _measure(model: str, precision: str, jit: str, data: pathlib.Path) -> float:
    command = [
        sys.executable,
        "-m",
        "benchmarks.keras_vae_worker",
        str(data),
        "--epochs=2",
        f"--model={model}",
        f"--precision={precision}",
        f"--jit_compile={jit}",
    ]
    return processes.call_worker(command)["images_per_second"]


def main() -> None:
    """Measures all combinations in turn and prints a table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--mnist",
        type=pathlib.Path,
        default=_ROOT.parent / "shared" / "data" / "mnist",
        help="folder with MNIST's original archives",
    )
    parser.add_argument("--num_images", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=2)
    records.add_flag(parser)
    flags = parser.parse_args()
    cases = [
        (model, precision, jit)
        for model in _MODELS
        for precision in _PRECISIONS
        for jit in ("false", "true")
    ]
    speeds: dict[tuple[str, str, str], list[float]] = {c: [] for c in cases}
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "images.npz"
        np.savez(data, images=load_mnist(flags.mnist, flags.num_images))
        for _ in range(flags.rounds):
            for case in cases:
                speeds[case].append(_measure(*case, data))
                print(*case, f"{speeds[case][-1]:,.0f}", file=sys.stderr)
    rows = []
    for case in cases:
        model, precision, jit = case
        base = statistics.median(speeds[model, "float32", "false"])
        median = statistics.median(speeds[case])
        chosen = ["bfloat16"] * (precision != "float32")
        chosen += ["XLA"] * (jit == "true")
        if chosen:
            rows.append(
                {
                    "label": f"{' and '.join(chosen)}, {model} `vae`",
                    "without": records.rounded(base, 0),
                    "with": records.rounded(median, 0),
                    "ratio": records.rounded(median / base, 2),
                }
            )
    protocol = f"medians of {flags.rounds} rounds, in turn, against float32"
    record = records.here("precision_and_xla", protocol, rows)
    title = "What `auto` chooses on CPUs, and why"
    records.publish(
        "cpu_choices", title, "what", _COLUMNS, record, flags.results
    )


if __name__ == "__main__":
    main()
