"""A run in a process of its own, slow enough to be killed in its midst.

python -m tests.training.worker WORKDIR
"""

import sys
import time
from typing import Any

import keras

from keras_vae.training import train
from tests import logical_devices
from tests.training import experiments

__all__ = ["EXPERIMENT", "run"]

EXPERIMENT = experiments.make_experiment(
    {"epochs": 10, "checkpoint_seconds": 0.5, "patience": 10}
)


class _Slow(keras.callbacks.Callback):
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        time.sleep(0.4)


def run(workdir: str, slow: bool) -> None:
    """Trains 170 steps, in 8 s or longer if `slow`."""
    train(
        EXPERIMENT,
        workdir,
        dataset=experiments.make_dataset(),
        callbacks=[_Slow()] if slow else [],
    )


if __name__ == "__main__":
    # As in the tests: the number of devices may change the order of sums.
    logical_devices.configure()
    run(sys.argv[1], slow=True)
