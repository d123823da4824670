"""Time and memory that NVAE's training step takes to be built and to run.

    python -m benchmarks.nvae_scaling
    python -m benchmarks.nvae_scaling --preset=mnist --batch_size=16
    python -m benchmarks.nvae_scaling --preset=cifar10 --batch_size=2

The first form goes through numbers of latent groups of a small NVAE with one
scale, the others measure a published configuration. Each measurement is a
process of its own: it makes the model and its optimizer as the trainer does,
builds the graph of one training step, and runs it on random images, without
XLA. Nothing is saved.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks import processes
from keras_vae.config import PRESETS, NVAEConfig

__all__ = ["main", "measure", "preset_table", "scaling_table"]

# Two cells for each group, as in the published models.
_SMALL: dict[str, Any] = {
    "num_scales": 1,
    "channels": 16,
    "encoder_cells": 2,
    "decoder_cells": 2,
    "num_flows": 1,
}
_SHAPES = {
    "mnist": (28, 28, 1),
    "cpu_mnist": (28, 28, 1),
    "smoke": (28, 28, 1),
    "cifar10": (32, 32, 3),
    "celeba64": (64, 64, 3),
    "ffhq256": (256, 256, 3),
}
# Preset and batch size -> seconds for the graph, peak memory in 10^9 bytes.
_LIMITS = {("mnist", 16): (90.0, 16.0), ("cifar10", 2): (240.0, 20.0)}


def measure(case: dict[str, Any]) -> dict[str, float]:
    """Builds a training step and runs it.

    Args:
        case: `settings` of `NVAEConfig`, `image_shape` and `steps`, the number
            of steps after the first.

    Returns:
        `num_parameters`; `build_s`, the seconds that the variables took,
        `graph_s` the tracing and `graph_cpu_s` of it on a core, which says
        more where others use the machine; `first_step_s`, the median `step_s`
        and the mean `step_cpu_s` of the steps after it; and the peak memory
        `build_mb`, `graph_mb` and `step_mb` until then.
    """
    import tensorflow as tf

    from keras_vae.config import resolve_likelihood
    from keras_vae.config.registry import from_dict
    from keras_vae.training.state import make_state

    config = from_dict("model", {"name": "nvae", **case["settings"]})
    shape = tuple(case["image_shape"])
    binarization = "dynamic" if shape[-1] == 1 else "none"
    start = time.perf_counter()
    state = make_state(
        config,
        shape,
        likelihood=resolve_likelihood(config, binarization),
        total_steps=1000,
        seed=0,
        precision="float32",
    )
    model = state.model
    model.compile(optimizer=state.optimizer, jit_compile=False)
    result: dict[str, float] = {
        "num_parameters": sum(
            int(np.prod(v.shape)) for v in model.trainable_variables
        ),
        "build_s": time.perf_counter() - start,
        "build_mb": processes.peak_rss_mb(),
    }
    images = tf.constant(_images((config.batch_size, *shape)))
    start, start_cpu = time.perf_counter(), time.process_time()
    # Without AutoGraph, as in Keras.
    step = tf.function(model.train_step, autograph=False, jit_compile=False)
    step = step.get_concrete_function(images)
    result["graph_s"] = time.perf_counter() - start
    result["graph_cpu_s"] = time.process_time() - start_cpu
    result["graph_mb"] = processes.peak_rss_mb()
    seconds, cpu = [], []
    for _ in range(1 + case["steps"]):
        start = time.perf_counter()
        cpu.append(time.process_time())
        loss = float(step(images)["loss"])
        seconds.append(time.perf_counter() - start)
    if not np.isfinite(loss):
        raise ValueError(f"The loss must be finite. Received: loss={loss}")
    return {
        **result,
        "first_step_s": seconds[0],
        "step_s": statistics.median(seconds[1:]),
        "step_cpu_s": (time.process_time() - cpu[1]) / case["steps"],
        "step_mb": processes.peak_rss_mb(),
    }


def _images(shape: tuple[int, ...]) -> np.ndarray:
    """Returns binary images where they are grey, else 8-bit levels."""
    levels = 2 if shape[-1] == 1 else 256
    drawn = np.random.default_rng(0).integers(0, levels, shape)
    return drawn.astype(np.float32) / (levels - 1)


def scaling_table(results: dict[int, dict[str, float]]) -> str:
    """Returns a table with a row for each number of groups.

    "A group more" is what was added since the row above, of seconds of CPU or
    of memory, over the groups that were: the same all over where the growth is
    linear.

    Args:
        results: Number of groups -> what `measure` returned, in order.
    """
    rows = [
        "| groups | parameters | graph, s | of CPU | a group more "
        "| first step, s | step, s | of CPU | a group more "
        "| peak memory, MB | a group more |",
        "| --- " * 11 + "|",
    ]
    above: tuple[int, dict[str, float]] | None = None
    for groups, result in results.items():
        cells = [
            str(groups),
            f"{result['num_parameters']:,}",
            f"{result['graph_s']:.1f}",
            f"{result['graph_cpu_s']:.1f}",
            _more("graph_cpu_s", groups, result, above, 2),
            f"{result['first_step_s']:.1f}",
            f"{result['step_s']:.2f}",
            f"{result['step_cpu_s']:.2f}",
            _more("step_cpu_s", groups, result, above, 3),
            f"{result['step_mb']:,.0f}",
            _more("step_mb", groups, result, above, 0),
        ]
        rows.append(f"| {' | '.join(cells)} |")
        above = groups, result
    return "\n".join(rows)


def _more(
    name: str,
    groups: int,
    result: dict[str, float],
    above: tuple[int, dict[str, float]] | None,
    digits: int,
) -> str:
    """Returns by how much a figure grew for each group since the row above."""
    if above is None:
        return ""
    added = (result[name] - above[1][name]) / (groups - above[0])
    return f"{added:.{digits}f}"


def preset_table(preset: str, batch_size: int, result: dict[str, float]) -> str:
    """Returns a table of one measurement, with its limits where it has any."""
    graph_limit, memory_limit = _LIMITS.get((preset, batch_size), (None, None))

    def row(name: str, value: str, limit: str = "") -> str:
        return f"| {name} | {value} | {limit} |"

    def memory(name: str) -> str:
        return f"{result[name] / 1e3:.2f} GB"

    return "\n".join(
        [
            f"| {preset}, batch {batch_size} | measured | limit |",
            "| --- | --- | --- |",
            row("parameters", f"{result['num_parameters']:,}"),
            row("variables", f"{result['build_s']:.1f} s"),
            row(
                "graph",
                f"{result['graph_s']:.1f} s",
                f"{graph_limit:.0f} s" if graph_limit else "",
            ),
            row("graph, of CPU", f"{result['graph_cpu_s']:.1f} s"),
            row("first step", f"{result['first_step_s']:.1f} s"),
            row("step", f"{result['step_s']:.2f} s"),
            row("step, of CPU", f"{result['step_cpu_s']:.2f} s"),
            row("peak memory, variables", memory("build_mb")),
            row("peak memory, graph", memory("graph_mb")),
            row(
                "peak memory, steps",
                memory("step_mb"),
                f"{memory_limit:.0f} GB" if memory_limit else "",
            ),
        ]
    )


def _run(
    settings: dict[str, Any], shape: Sequence[int], steps: int
) -> dict[str, float]:
    case = {"settings": settings, "image_shape": shape, "steps": steps}
    return processes.run_worker("benchmarks.nvae_scaling", case)


def _flags(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--groups", type=int, nargs="+", default=[5, 10, 20, 30]
    )
    parser.add_argument(
        "--preset", choices=sorted(PRESETS), help="measures this one instead"
    )
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--steps", type=int, default=3, help="after the first")
    parser.add_argument(
        "--recompute",
        action="store_true",
        help="computes activations again in the backward pass",
    )
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    flags = parser.parse_args(arguments)
    for name in ("batch_size", "steps"):
        if getattr(flags, name) < 1:
            parser.error(
                f"--{name} must be at least 1. Received: {getattr(flags, name)}"
            )
    return flags


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures the training step of NVAE and prints Markdown.

    Args:
        arguments: Command-line arguments; those of the process if None.
    """
    flags = _flags(arguments)
    if flags.worker:
        print(json.dumps(measure(json.loads(flags.worker))), flush=True)
        return
    print(f"Machine: {processes.machine()}.\n")
    options = {"batch_size": flags.batch_size, "recompute": flags.recompute}
    if flags.preset:
        config = NVAEConfig.from_preset(flags.preset)
        settings = {**config.to_dict(), **options}
        result = _run(settings, _SHAPES[flags.preset], flags.steps)
        print(preset_table(flags.preset, flags.batch_size, result))
        return
    results = {}
    for groups in sorted(flags.groups):
        settings = {**_SMALL, "num_groups": groups, **options}
        results[groups] = _run(settings, _SHAPES["mnist"], flags.steps)
        print(f"{groups} groups: {results[groups]}", file=sys.stderr)
    print(scaling_table(results))


if __name__ == "__main__":
    main()
