"""Draws the validation -ELBO of run folders by training step.

    python -m benchmarks.learning_curve --output=curve.png TITLE=RUN ...

Reads what TensorBoard shows, over all sittings of a resumed run.
"""

import argparse
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator,
)
from tensorboard.util import tensor_util

__all__ = ["Curve", "draw", "main", "read"]

# The -ELBO of the first epochs would press all others together.
_TOP = 4.0


class Curve(NamedTuple):
    """What one run reached when.

    Attributes:
        steps: Training steps, ascending.
        negative_elbos: The validation -ELBO after each, nats/image.
    """

    steps: list[int]
    negative_elbos: list[float]


def read(workdir: pathlib.Path) -> Curve:
    """Returns the curve of a run folder.

    Where a sitting began at an earlier step than the last one had reached, the
    later sitting counts.

    Raises:
        ValueError: If nothing was validated in it.
    """
    folder = workdir / "tensorboard" / "validation"
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    if folder.is_dir():
        events.Reload()
    if "elbo" not in events.Tags()["tensors"]:
        raise ValueError(
            "A run folder must have a validation ELBO for TensorBoard. "
            f"Received: {workdir}"
        )
    found: dict[int, float] = {}
    for event in events.Tensors("elbo"):
        found = {step: v for step, v in found.items() if step < event.step}
        found[event.step] = -float(tensor_util.make_ndarray(event.tensor_proto))
    return Curve(list(found), list(found.values()))


def draw(path: pathlib.Path, curves: dict[str, Curve]) -> None:
    """Writes a PNG with a line for each curve."""
    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    axes = figure.subplots()
    for title, curve in curves.items():
        axes.plot(curve.steps, curve.negative_elbos, label=title)
    lowest = min(min(curve.negative_elbos) for curve in curves.values())
    axes.set_ylim(lowest - 0.1 * _TOP, lowest + _TOP)
    axes.set_xlabel("training step")
    axes.set_ylabel("-ELBO of the validation images, nats")
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def main(argv: Sequence[str] | None = None) -> None:
    """Reads runs and draws their curves."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("runs", nargs="+", metavar="TITLE=FOLDER")
    flags = parser.parse_args(argv)
    curves = {}
    for run in flags.runs:
        title, equals, folder = run.partition("=")
        if not equals:
            parser.error(f"a run must be TITLE=FOLDER. Received: {run}")
        try:
            curves[title] = read(pathlib.Path(folder))
        except ValueError as error:
            parser.error(str(error))
    draw(flags.output, curves)


if __name__ == "__main__":
    main()
