"""Training runs that must not depend on the number of replicas.

    python -m tests.models.replica_runs 4 FILE

writes what the runs give on four replicas: a process has as many as it has
logical devices, and those of the tests have two.
"""

import pathlib
import sys
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vae.models import GenerativeModel
from keras_vae.objectives import ELBO, BetaTCVAE, LinearWarmup
from keras_vae.training import Adam, Guard, make_strategy
from tests.models.cases import (
    binary_images,
    make_hierarchical,
    make_model,
    make_nvae,
)

__all__ = ["CASES", "run"]

# The last batch is uneven, and on four replicas one of them has none of it.
_COUNT, _BATCH, _EPOCHS = 11, 8, 2


def _with(model: GenerativeModel, **attributes: Any) -> GenerativeModel:
    for name, value in attributes.items():
        setattr(model, name, value)
    return model


CASES = {
    "vae": make_model,
    "importance_weighted": lambda: make_model(
        objective={
            "name": "importance_weighted",
            "num_samples": 3,
            "start": 0.5,  # Draws change within the run.
        },
        total_steps=4,
    ),
    "conditional": lambda: make_model(class_names=("even", "odd")),
    "hierarchical": make_hierarchical,
    "nvae": make_nvae,
    # The first batch is above it and the second below, see the test.
    "free_bits": lambda: make_model(objective={"free_bits": 1.2}),
    "balance": lambda: _with(
        make_hierarchical(),
        objective=ELBO(LinearWarmup(0.5, 1.0, 0.9, 4), balance=True),
    ),
    "beta_tcvae": lambda: _with(
        make_model(), objective=BetaTCVAE(3.0), num_examples=_COUNT
    ),
    "batch_parts": lambda: _with(make_model(), batch_parts=2),
}


def run(case: str, distribution: str) -> dict[str, np.ndarray]:
    """Returns the loss curve, validation and weights of a run.

    Args:
        case: One of `CASES`.
        distribution: As for `make_strategy`.

    Returns:
        The logs of each epoch; `weights` and `moved`, what of that is of the
        run, flat.
    """
    with make_strategy(distribution).scope():
        model = CASES[case]()
        optimizer = (
            Guard(Adam(1e-3, epsilon=0.1), max_norm=1.0)
            if case == "nvae"
            else keras.optimizers.SGD(0.05)
        )
        model.compile(optimizer, jit_compile=False, run_eagerly=case == "nvae")
    images = binary_images(_COUNT)
    labels = np.arange(_COUNT) % 2 if case == "conditional" else None
    other = binary_images(_COUNT, seed=1)
    before = _weights(model)
    history = model.fit(
        images,
        labels,
        batch_size=_BATCH,
        epochs=_EPOCHS,
        shuffle=False,
        verbose=0,
        validation_data=other if labels is None else (other, labels),
    ).history
    after = _weights(model)
    return {
        **{name: np.asarray(values) for name, values in history.items()},
        "weights": after,
        "moved": after - before,
    }


def _weights(model: GenerativeModel) -> np.ndarray:
    return np.concatenate([w.ravel() for w in model.get_weights()])


def _main(replicas: int, path: pathlib.Path, cases: list[str]) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    devices = [tf.config.LogicalDeviceConfiguration()] * replicas
    tf.config.set_logical_device_configuration(cpu, devices)
    # A sum over the replicas waits in a thread of each of them.
    tf.config.threading.set_inter_op_parallelism_threads(4 * replicas)
    found = {
        f"{case}/{name}": values
        for case in cases
        for name, values in run(case, "mirrored").items()
    }
    np.savez(path, **found)


if __name__ == "__main__":
    _main(int(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:])
