"""The number of replicas changes how long a run takes, and no figure."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import seeds
from keras_vae.training import Adam, Guard, make_strategy
from tests.models.cases import binary_images, make_model
from tests.models.replica_runs import CASES, run

NUM_STEPS = 3
BATCH = 8
# A figure is a sum of n < 200 numbers of float32, images and what adds up in
# one. In another order it is off by at most n u = 200 * 2**-24 = 1.2e-5 of
# their sum, and, the errors being of either sign, mostly by sqrt(n) u = 1e-6;
# four steps add up. Other noise moves the losses by more than 1e-2.
RTOL = 1e-5
ON_FOUR = ("hierarchical",)


@pytest.fixture(scope="module")
def alone():
    """Returns what a run gives on one replica."""
    found = {}

    def get(case):
        if case not in found:
            found[case] = run(case, "one_device")
        return found[case]

    return get


@pytest.fixture(scope="module")
def on_four(tmp_path_factory):
    """Returns what runs give on four replicas, in a process of their own."""
    path = tmp_path_factory.mktemp("four") / "runs.npz"
    module = "tests.models.replica_runs"
    subprocess.run(
        [sys.executable, "-m", module, "4", str(path), *ON_FOUR],
        check=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
    )
    with np.load(path) as file:
        return dict(file)


def assert_same_run(one, other):
    assert one.keys() == other.keys()
    assert one.keys() >= {"loss", "val_loss", "weights"}
    for name in one.keys() - {"weights", "moved"}:
        np.testing.assert_allclose(
            other[name], one[name], rtol=RTOL, err_msg=name
        )
    # The gradients: SGD moves a weight by them alone.
    largest = np.abs(one["moved"]).max()
    assert largest > 1e-3
    np.testing.assert_allclose(
        other["moved"], one["moved"], rtol=0, atol=1e-4 * largest
    )


@pytest.mark.parametrize("case", CASES)
def test_two_replicas_are_one(case, alone):
    assert_same_run(alone(case), run(case, "mirrored"))


@pytest.mark.parametrize("case", ON_FOUR)
def test_four_replicas_are_one(case, alone, on_four):
    found = {
        name.removeprefix(f"{case}/"): values
        for name, values in on_four.items()
        if name.startswith(f"{case}/")
    }
    assert_same_run(alone(case), found)


def test_free_bits_bind_in_one_epoch_and_not_in_the_other(alone):
    logs = alone("free_bits")
    excess = logs["loss"] + logs["elbo"]  # What the floor adds to the KL.
    assert excess[0] == pytest.approx(0.0, abs=1e-5)
    assert excess[1] > 0.1


def test_noise_of_one_replica_is_what_it_was():
    """Runs of before go on bit for bit."""
    model = make_model()
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    image = binary_images(BATCH)
    seed = seeds.fold_in(seeds.from_int(model.seed), 0)
    seed = seeds.replica(seed)
    posterior = model.encode(image)
    expected = model.infer_at(image, posterior, posterior.sample(seed=seed))
    model.train_step(image)
    elbo = model.get_metrics_result()["elbo"]
    assert float(elbo) == float(tf.reduce_mean(expected.elbo))


def test_clips_and_skips_as_one():
    """A guarded optimizer judges the gradient of the global batch."""
    weights = []
    images = np.concatenate(
        [binary_images(BATCH, seed=step) for step in range(NUM_STEPS)]
    )
    for distribution in ("one_device", "mirrored"):
        with make_strategy(distribution).scope():
            model = make_model()
            # Epsilon is large: the size of the gradient counts, and not its
            # sign alone.
            guard = Guard(Adam(0.01, epsilon=0.1), max_norm=0.5)
            model.compile(guard, jit_compile=False)
        model.fit(images, batch_size=BATCH, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
