"""The package's optimizers in pairs with those of Keras.

    python -m benchmarks.optimizers --mnist=MNIST

Each pair trains the same model from the same weights on the same batches, in
one process: first a few steps with the one optimizer, then as many with the
other, and so on, so that a machine that slows down slows both. All of them are
in a `Guard`, with the settings of the model's defaults.
"""

import argparse
import dataclasses
import pathlib
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks import hierarchy_parts, records
from benchmarks.keras_vae_worker import DENSE
from benchmarks.throughput import load_mnist
from keras_vae.config import HierarchicalConfig, ModelConfig, TrainingConfig
from keras_vae.data import ArraySplit, evaluation_batches, training_batches
from keras_vae.objectives import WarmupCosine
from keras_vae.training import Guard, share_cores
from keras_vae.training.state import TrainingState, make_state
from keras_vae.training.strategy import resolve_batch_parts

__all__ = ["main", "measure", "theirs"]

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_PER_EXECUTION = 16
_NUM_VALIDATION = 1000
_MODELS: dict[str, ModelConfig] = {
    "dense": DENSE,
    "hierarchical": HierarchicalConfig(objective="elbo"),
}
_COLUMNS = (
    records.Column("seconds", "step", "s"),
    records.Column("cpu_seconds", "step, of all cores", "s"),
    records.Column(
        "ratio", "time of the second to the first, median of the pairs"
    ),
    records.Column("negative_elbo", "-ELBO", "nats/image"),
)
_PAIRED = ("seconds", "cpu_seconds", "negative_elbo")


def theirs(guard: Guard, config: ModelConfig, num_steps: int) -> Guard:
    """Returns a guard around Keras's optimizer of the same name.

    Args:
        guard: The package's, as `make_state` makes it.
        config: What it was made of.
        num_steps: Length of the run.
    """
    rate = WarmupCosine(
        config.learning_rate,
        config.learning_rate_warmup,
        config.learning_rate_final,
        num_steps,
    )
    settings: dict[str, Any] = {"epsilon": config.optimizer_epsilon}
    inner: keras.optimizers.Optimizer
    if config.optimizer == "muon":
        inner = keras.optimizers.Muon(
            rate,
            momentum=guard.inner.beta_1,
            adam_beta_1=guard.inner.beta_1,
            adam_beta_2=config.beta_2,
            weight_decay=None,
            adam_weight_decay=None,
            **settings,
        )
    else:
        inner = keras.optimizers.Adam(rate, beta_2=config.beta_2, **settings)
    return Guard(
        inner,
        max_norm=guard.max_norm,
        skip_factor=guard.skip_factor,
        use_ema=guard.use_ema,
        ema_momentum=guard.ema_momentum,
    )


def _execution(state: TrainingState, images: Any, batch_size: int) -> Callable:
    iterator = iter(
        training_batches(
            ArraySplit(images),
            batch_size=batch_size,
            seed=0,
            binarization="dynamic",
        )
    )
    step = tf.autograph.experimental.do_not_convert(
        hierarchy_parts.make_step(state, "update")
    )

    @tf.function(jit_compile=False)
    def execution() -> None:
        for _ in tf.range(_PER_EXECUTION):
            image, *_ = tf.nest.flatten(next(iterator))
            step(image)

    return execution


def _negative_elbo(state: TrainingState, images: Any) -> float:
    """Returns that of the weights as they are, without averages."""
    batches = evaluation_batches(
        ArraySplit(images), batch_size=250, binarization="dynamic", seed=0
    )
    found = state.model.evaluate(batches, verbose=0, return_dict=True)
    return -found["elbo"]


def measure(
    config: ModelConfig, images: np.ndarray, num_steps: int, batch_parts: int
) -> list[dict[str, Any]]:
    """Trains with both optimizers in turn; returns a row for each.

    Args:
        config: The model.
        images: uint8 `[num_images, height, width, channels]`; the last 1,000
            are not trained on.
        num_steps: Of each, a multiple of 16. The first 16 are not timed.
        batch_parts: Parts of a batch.
    """
    held_out, images = images[-_NUM_VALIDATION:], images[:-_NUM_VALIDATION]
    states = {}
    for own in (True, False):
        state = make_state(
            config,
            images.shape[1:],
            likelihood="bernoulli",
            total_steps=num_steps,
            seed=0,
            precision="float32",
        )
        state.model.batch_parts = batch_parts
        if not own:
            other = theirs(state.guard, config, num_steps)
            other.build(state.model.trainable_variables)
            state = dataclasses.replace(state, optimizer=other)
        kind = type(state.guard.inner).__name__
        states[kind if own else f"keras.optimizers.{kind}"] = state
    executions = {
        name: _execution(state, images, config.batch_size)
        for name, state in states.items()
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in states}
    for number in range(num_steps // _PER_EXECUTION):
        names = list(states) if number % 2 else list(states)[::-1]
        for name in names:
            start = time.perf_counter(), time.process_time()
            executions[name]()
            int(states[name].optimizer.iterations)  # Waits for the last step.
            end = time.perf_counter(), time.process_time()
            if number:
                wall, cpu = (b - a for a, b in zip(start, end, strict=True))
                times[name].append((wall, cpu))
    first, *_ = times.values()
    return [
        {
            "label": f"`{name}`",
            "seconds": _median(wall for wall, _ in found),
            "cpu_seconds": _median(cpu for _, cpu in found),
            "ratio": records.rounded(
                statistics.median(
                    b[0] / a[0] for a, b in zip(first, found, strict=True)
                ),
                2,
            ),
            "negative_elbo": records.rounded(
                _negative_elbo(states[name], held_out), 2
            ),
        }
        for name, found in times.items()
    ]


def _median(seconds: Any) -> Any:
    return records.rounded(statistics.median(seconds) / _PER_EXECUTION, 4)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures the pair of a model and prints a table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--mnist",
        type=pathlib.Path,
        default=_ROOT.parent / "shared" / "data" / "mnist",
        help="folder with MNIST's original archives",
    )
    parser.add_argument("--model", choices=_MODELS, default="hierarchical")
    parser.add_argument("--steps", type=int, default=320)
    records.add_flag(parser)
    flags = parser.parse_args(arguments)
    if flags.steps < 2 * _PER_EXECUTION or flags.steps % _PER_EXECUTION:
        parser.error(
            f"--steps must be a multiple of {_PER_EXECUTION}, at least "
            f"{2 * _PER_EXECUTION}. Received: {flags.steps}."
        )
    config = _MODELS[flags.model]
    training = TrainingConfig()
    share_cores(config, training)
    parts = resolve_batch_parts(config, training, 1)
    images = load_mnist(flags.mnist, 60_000).reshape([-1, 28, 28, 1])
    ours, their = measure(config, images, flags.steps, parts)
    protocol = (
        f"`{config.name}`, {flags.steps} steps of {config.batch_size} images "
        f"in {parts} parts each, the whole schedule of the learning rate, "
        "float32; medians of 16 steps in turn, the -ELBO of 1,000 validation "
        "images with the last weights"
    )
    row: dict[str, Any] = {key: [ours[key], their[key]] for key in _PAIRED}
    row["label"] = f"{ours['label']}; {their['label']}"
    row["ratio"] = their["ratio"]
    record = records.here(f"optimizers_{flags.model}", protocol, [row])
    title = "The package's optimizers and Keras's"
    records.publish(
        "optimizers", title, "optimizers", _COLUMNS, record, flags.results
    )


if __name__ == "__main__":
    main()
