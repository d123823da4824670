"""Trains the dense VAE of the throughput benchmark and times it.

Run by `benchmarks/throughput.py`, in a process of its own. Everything is as in
`apps/train.py`: `fit` with all callbacks (validation, TensorBoard, averaged
weights, checkpoints), dynamic binarization.
"""

import argparse
import json
import tempfile
import time
from typing import Any

import keras
import numpy as np

from benchmarks import processes
from keras_vae.config import (
    DenseConfig,
    TrainingConfig,
    VAEConfig,
)
from keras_vae.data import ArraySplit, DataConfig, ImageDataset
from keras_vae.training import ExperimentConfig, train

_NUM_VALIDATION = 5000


class Timer(keras.callbacks.Callback):
    """Times all epochs but the first, whatever is done in them."""

    def __init__(self) -> None:
        super().__init__()
        self.start: tuple[float, int] | None = None
        self.end: tuple[float, int] | None = None

    def _now(self) -> tuple[float, int]:
        return time.perf_counter(), int(self.model.optimizer.iterations)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.start is None:
            self.start = self._now()
        self.end = self._now()


DENSE = VAEConfig(
    architecture=DenseConfig(hidden_units=(512,), activation="relu"),
    latent_dim=16,
    learning_rate=1e-3,
)


def measure(
    images: np.ndarray,
    epochs: int,
    precision: str,
    jit_compile: str = "auto",
    model: VAEConfig = DENSE,
) -> dict[str, Any]:
    """Trains and measures.

    Args:
        images: uint8 [num_images, 784].
        epochs: At least 2: the first is not measured.
        precision: As in `TrainingConfig`.
        jit_compile: As in `TrainingConfig`.
        model: What is trained.

    Returns:
        `images_per_second` over the epochs after the first, `epochs`,
        `peak_rss_mb` of this process (10^6 bytes) and `precision`.
    """
    images = images.reshape([-1, 28, 28, 1])
    held_out = ArraySplit(images[:_NUM_VALIDATION])
    dataset = ImageDataset(
        "mnist",
        (28, 28, 1),
        None,
        {
            "train": ArraySplit(images),
            "validation": held_out,
            "test": held_out,
        },
    )
    experiment = ExperimentConfig(
        DataConfig("mnist"),
        model,
        TrainingConfig(
            epochs=epochs, precision=precision, jit_compile=jit_compile
        ),
    )
    timer = Timer()
    with tempfile.TemporaryDirectory() as folder:
        result = train(experiment, folder, dataset=dataset, callbacks=[timer])
    assert timer.start is not None and timer.end is not None
    seconds = timer.end[0] - timer.start[0]
    steps = timer.end[1] - timer.start[1]
    return {
        "images_per_second": steps * model.batch_size / seconds,
        "epochs": epochs,
        "peak_rss_mb": processes.peak_rss_mb(),
        "precision": result.summary["precision"],
    }


def main() -> None:
    """Trains keras_vae's dense VAE and prints one line of JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("data", help=".npz with `images`, uint8 [N, 784]")
    parser.add_argument("--epochs", type=int, default=5, help="at least 2")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--jit_compile", default="auto")
    parser.add_argument(
        "--model", choices=["dense", "residual"], default="dense"
    )
    flags = parser.parse_args()
    with np.load(flags.data, allow_pickle=False) as arrays:
        images = arrays["images"]
    model = DENSE if flags.model == "dense" else VAEConfig()
    result = measure(
        images, flags.epochs, flags.precision, flags.jit_compile, model
    )
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
