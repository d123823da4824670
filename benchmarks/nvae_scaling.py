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

from benchmarks import processes, records
from keras_vae.config import PRESETS, NVAEConfig

__all__ = ["main", "measure", "preset_row", "scaling_row"]

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
_PARAMETERS = records.Column("parameters", "parameters")
_SCALING = (
    _PARAMETERS,
    records.Column("graph_cpu", "graph", "CPU s"),
    records.Column("first_step", "first step", "s"),
    records.Column("step_cpu", "step", "CPU s"),
    records.Column("peak_rss", "peak memory", "MB"),
)
_PRESETS = (
    _PARAMETERS,
    records.Column("variables", "variables", "s"),
    records.Column("graph", "graph", "s"),
    records.Column("first_step", "first step", "s"),
    records.Column("step", "step", "s"),
    records.Column("peak_rss", "peak memory", "GB"),
)


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


def scaling_row(groups: int, result: dict[str, float]) -> dict[str, Any]:
    """Returns the row of a number of groups, of what `measure` returned."""
    return {
        "label": f"{groups} groups",
        "parameters": result["num_parameters"],
        "graph_cpu": records.rounded(result["graph_cpu_s"], 1),
        "first_step": records.rounded(result["first_step_s"], 1),
        "step_cpu": records.rounded(result["step_cpu_s"], 2),
        "peak_rss": records.rounded(result["step_mb"], 0),
    }


def preset_row(
    preset: str, batch_size: int, result: dict[str, float]
) -> dict[str, Any]:
    """Returns the row of a published size, of what `measure` returned."""
    return {
        "label": f"{preset}, batch {batch_size}",
        "parameters": result["num_parameters"],
        "variables": records.rounded(result["build_s"], 1),
        "graph": records.rounded(result["graph_s"], 1),
        "first_step": records.rounded(result["first_step_s"], 1),
        "step": records.rounded(result["step_s"], 2),
        "peak_rss": records.rounded(result["step_mb"] / 1e3, 2),
    }


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
    records.add_flag(parser)
    flags = parser.parse_args(arguments)
    for name in ("batch_size", "steps"):
        if getattr(flags, name) < 1:
            parser.error(
                f"--{name} must be at least 1. Received: {getattr(flags, name)}"
            )
    return flags


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures the training step of NVAE and prints a table.

    Args:
        arguments: Command-line arguments; those of the process if None.
    """
    flags = _flags(arguments)
    if flags.worker:
        print(json.dumps(measure(json.loads(flags.worker))), flush=True)
        return
    options = {"batch_size": flags.batch_size, "recompute": flags.recompute}
    protocol = f"batch {flags.batch_size}, {flags.steps} steps after the first"
    if flags.preset:
        config = NVAEConfig.from_preset(flags.preset)
        settings = {**config.to_dict(), **options}
        result = _run(settings, _SHAPES[flags.preset], flags.steps)
        row = preset_row(flags.preset, flags.batch_size, result)
        record = records.here(f"nvae_{flags.preset}", protocol, [row])
        title = "NVAE's published sizes"
        records.publish(
            "nvae_presets", title, "preset", _PRESETS, record, flags.results
        )
        return
    rows = []
    for groups in sorted(flags.groups):
        settings = {**_SMALL, "num_groups": groups, **options}
        result = _run(settings, _SHAPES["mnist"], flags.steps)
        print(f"{groups} groups: {result}", file=sys.stderr)
        rows.append(scaling_row(groups, result))
    record = records.here("nvae_scaling", protocol, rows)
    title = "NVAE by number of groups"
    records.publish(
        "nvae_scaling", title, "groups", _SCALING, record, flags.results
    )


if __name__ == "__main__":
    main()
