"""Where the time of a training step of the hierarchical model goes.

    python -m benchmarks.hierarchy_speed --mnist=MNIST

Measures, each in a process of its own and for each precision: training with
`fit` and all the trainer's callbacks; a bare loop over the same model,
optimizer and data; its products alone (convolutions, and matrices of weights,
as dense layers and 1x1 convolutions have them); and the step with its parts
added one after the other. Without `--mnist` the images are random.
`--batch_parts=1` gives all cores one operation at a time, as TensorFlow does.
"""

import argparse
import json
import pathlib
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks import hierarchy_parts, processes, records
from benchmarks.throughput import load_mnist
from keras_vae.config import PRECISIONS

__all__ = [
    "WORKERS",
    "fit",
    "loop",
    "main",
    "product_rows",
    "speed_rows",
    "step_rows",
]

_PER_EXECUTION = 16
_SPEED = (
    records.Column("images_per_second", "speed", "images/s"),
    records.Column("seconds", "step", "s"),
    records.Column("gflops", "products", "GFLOP/s"),
    records.Column("share", "share of products alone", "%"),
)
_STEPS = (
    records.Column("seconds", "step", "s"),
    records.Column("more", "more than the row before", "s"),
)


def fit(case: dict[str, Any]) -> dict[str, float]:
    """Trains with the trainer; returns images a second.

    Returns:
        `steps`: of the executions after each epoch's first, with what the
        callbacks do in between.
        `epochs`: of the epochs after the first, with validation and all else.
    """
    import keras

    from keras_vae.config import TrainingConfig
    from keras_vae.data import ArraySplit, DataConfig, ImageDataset
    from keras_vae.training import ExperimentConfig, train

    class Timer(keras.callbacks.Callback):
        """Seconds and steps at the ends of executions and of epochs."""

        def on_train_begin(self, logs: Any = None) -> None:
            self.executions: list[list[tuple[float, int]]] = [[]]
            self.epochs: list[tuple[float, int]] = []

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.executions[-1].append(self._now())

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.epochs.append(self._now())
            self.executions.append([])

        def _now(self) -> tuple[float, int]:
            return time.perf_counter(), int(self.model.optimizer.iterations)

    images = np.load(case["data"])
    held_out = ArraySplit(images[: max(len(images) // 11, 1)])
    splits = {"train": ArraySplit(images), "validation": held_out}
    dataset = ImageDataset(
        "mnist", images.shape[1:], None, {**splits, "test": held_out}
    )
    config = hierarchy_parts.config(case)
    experiment = ExperimentConfig(
        DataConfig("mnist"),
        config,
        TrainingConfig(
            epochs=case["epochs"],
            precision=case["precision"],
            jit_compile="false",
            batch_parts=case.get("parts", 1),
        ),
    )
    timer = Timer()
    with tempfile.TemporaryDirectory() as folder:
        train(experiment, folder, dataset=dataset, callbacks=[timer])
    pairs = [(e[0], e[-1]) for e in timer.executions if e]
    return {
        "steps": config.batch_size * _rate(pairs),
        "epochs": config.batch_size
        * _rate([(timer.epochs[0], timer.epochs[-1])]),
    }


def _rate(pairs: Sequence[tuple[tuple[float, int], ...]]) -> float:
    """Returns steps a second from pairs of (seconds, steps)."""
    seconds = sum(end[0] - start[0] for start, end in pairs)
    steps = sum(end[1] - start[1] for start, end in pairs)
    return steps / seconds


def loop(case: dict[str, Any]) -> dict[str, float]:
    """Trains in a loop inside a `tf.function`; returns images a second.

    It has what the step needs, from the files of images to the new weights
    and their averages, and no metrics, callbacks or validation.
    """
    import tensorflow as tf

    from keras_vae.data import ArraySplit, training_batches

    state = hierarchy_parts.make(case)
    batch = hierarchy_parts.config(case).batch_size
    iterator = iter(
        training_batches(
            ArraySplit(np.load(case["data"])),
            batch_size=batch,
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

    execution()
    count = max(case["steps"] // _PER_EXECUTION, 1)
    start = time.perf_counter()
    for _ in range(count):
        execution()
    int(state.optimizer.iterations)  # Waits for the last one.
    seconds = time.perf_counter() - start
    return {"steps": batch * _PER_EXECUTION * count / seconds}


WORKERS = {
    "fit": fit,
    "loop": loop,
    "convolutions": hierarchy_parts.convolutions,
    "parts": hierarchy_parts.parts,
}


def speed_rows(
    results: dict[str, dict[str, Any]], batch_size: int
) -> list[dict[str, Any]]:
    """Returns a row for each way to train, and one of the products alone.

    Args:
        results: What the workers returned, by their names.
        batch_size: Images in a step.
    """
    alone = results["convolutions"]
    speeds = {
        "`fit`, whole epochs": results["fit"]["epochs"],
        "`fit`, training steps": results["fit"]["steps"],
        "bare loop": results["loop"]["steps"],
        "products alone": batch_size / alone["seconds"],
    }
    return [
        {
            "label": name,
            "images_per_second": records.rounded(speed, 0),
            "seconds": records.rounded(batch_size / speed, 4),
            "gflops": records.rounded(
                alone["flops"] * speed / batch_size / 1e9, 0
            ),
            "share": records.rounded(
                100 * alone["seconds"] * speed / batch_size, 0
            ),
        }
        for name, speed in speeds.items()
    ]


def step_rows(parts: dict[str, float]) -> list[dict[str, Any]]:
    """Returns a row for each part of a step, timed with those before it."""
    rows: list[dict[str, Any]] = []
    before = 0.0
    for name, seconds in parts.items():
        more = records.rounded(seconds - before, 4)
        row = {"seconds": records.rounded(seconds, 4), "more": more}
        rows.append({"label": name, **row})
        before = seconds
    return rows


def product_rows(shapes: list[dict[str, Any]]) -> list[list[str]]:
    """Returns the cells of a table of the products, its header first."""
    rows = [["product", "over", "a part has", "ms a step", "GFLOP/s"]]
    for shape in sorted(shapes, key=lambda s: -s["seconds"]):
        *size, channels, filters = shape["filter"]
        rows_in, *image = shape["input"]
        where = f"{rows_in} rows"
        kind = "matrix"
        if size:
            where = "x".join(str(n) for n in image[:-1])
            kind = f"{size[0]}x{size[0]} convolution"
        rows.append(
            [
                f"{kind}, {channels} to {filters}",
                where,
                str(shape["count"]),
                f"{1e3 * shape['seconds']:.2f}",
                f"{shape['flops'] / shape['seconds'] / 1e9:,.0f}",
            ]
        )
    return rows


def _publish(
    answers: dict[str, dict[str, Any]],
    precision: str,
    batch_size: int,
    results: pathlib.Path | None,
) -> None:
    """Prints what the workers answered, and keeps what is to be kept."""
    measured = {kind: answer["measured"] for kind, answer in answers.items()}
    parts = answers["fit"]["parts"]
    protocol = f"batch {batch_size}, parts of a batch: {parts}, {precision}"
    for name, title, label, columns, rows in (
        (
            "hierarchy_speed",
            "Training speed of `hierarchical`",
            "what",
            _SPEED,
            speed_rows(measured, batch_size),
        ),
        (
            "hierarchy_steps",
            "What a training step of `hierarchical` consists of",
            "a step with",
            _STEPS,
            step_rows(measured["parts"]),
        ),
    ):
        record = records.here(f"{name}_{precision}", protocol, rows)
        records.publish(name, title, label, columns, record, results)
    shapes = measured["convolutions"]["shapes"]
    print(records.markdown(product_rows(shapes)), flush=True)


def _work(case: dict[str, Any]) -> dict[str, Any]:
    """Measures in this process, whose cores the parts of a batch share."""
    from keras_vae.config import TrainingConfig
    from keras_vae.training import share_cores
    from keras_vae.training.strategy import resolve_batch_parts

    model = hierarchy_parts.config(case)
    training = TrainingConfig(batch_parts=case["batch_parts"])
    share_cores(model, training)
    parts = resolve_batch_parts(model, training, 1)
    measured = WORKERS[case["kind"]]({**case, "parts": parts})
    return {"parts": parts, "measured": measured}


def _flags(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--mnist", type=pathlib.Path, help="folder with MNIST's archives"
    )
    parser.add_argument("--num_images", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=3, help="at least 2")
    parser.add_argument("--steps", type=int, default=160, help="of the loop")
    parser.add_argument("--repeats", type=int, default=20, help="of the parts")
    parser.add_argument(
        "--batch_parts", type=int, default=0, help="0: as the trainer chooses"
    )
    parser.add_argument(
        "--precisions",
        nargs="+",
        choices=[name for name in PRECISIONS if name != "auto"],
        default=["float32", "mixed_bfloat16"],
    )
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    records.add_flag(parser)
    flags = parser.parse_args(arguments)
    # The first epoch is not measured, nor the first execution of any.
    for name, least in (("epochs", 2), ("num_images", 4096), ("repeats", 1)):
        value = getattr(flags, name)
        if value < least:
            parser.error(
                f"--{name} must be at least {least}. Received: {value}."
            )
    return flags


def _load(flags: argparse.Namespace) -> np.ndarray:
    """Returns uint8 images `[num_images, 28, 28, 1]`."""
    shape = (flags.num_images, 28, 28, 1)
    if flags.mnist:
        return load_mnist(flags.mnist, flags.num_images).reshape(shape)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures the speed of the hierarchical model and prints tables.

    Args:
        arguments: Command-line arguments; those of the process if None.
    """
    flags = _flags(arguments)
    if flags.worker:
        case = json.loads(flags.worker)
        print(json.dumps(_work(case)), flush=True)
        return
    names = ("epochs", "steps", "repeats", "batch_parts")
    settings = {name: getattr(flags, name) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        data = str(pathlib.Path(folder) / "images.npy")
        np.save(data, _load(flags))
        for precision in flags.precisions:
            case = {**settings, "data": data, "precision": precision}
            answers = {
                kind: processes.run_worker(
                    "benchmarks.hierarchy_speed", {**case, "kind": kind}
                )
                for kind in WORKERS
            }
            batch = hierarchy_parts.config(case).batch_size
            _publish(answers, precision, batch, flags.results)


if __name__ == "__main__":
    main()
