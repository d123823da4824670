"""Tests of the callbacks that end a run which no longer learns."""

import math
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.objectives import ELBO, KLWarmup, SquaredError
from keras_vae.training import (
    Adam,
    DivergedError,
    Guard,
    LossScale,
    train,
)
from keras_vae.training.divergence import StopOnDivergence, StopOnNonFinite
from tests.models.cases import binary_images, make_model
from tests.training import experiments


class _State:
    """What the callbacks know of a run."""

    def __init__(self, model, optimizer):
        self.model = model
        self.optimizer = optimizer

    @property
    def guard(self):
        return getattr(self.optimizer, "inner_optimizer", self.optimizer)

    @property
    def step(self):
        return int(self.optimizer.iterations.numpy())


def _state(optimizer=None, steps=12):
    model = make_model()
    optimizer = Guard(Adam(4e-3)) if optimizer is None else optimizer
    model.compile(optimizer=optimizer, jit_compile=False)
    optimizer.build(model.trainable_variables)
    optimizer.iterations.assign(steps)
    return _State(model, optimizer)


def _message(callback):
    with pytest.raises(DivergedError) as error:
        callback.on_train_batch_end(0)
    return str(error.value)


def test_skipped_steps_in_a_row_end_the_run():
    state = _state()
    asked = []

    def batch_at(step):
        asked.append(step)
        return binary_images(seed=step) * np.nan

    callback = StopOnNonFinite(state, batch_at, lambda: "run/ckpt-7")
    callback.on_train_batch_end(0)
    state.optimizer.consecutive_skips.assign(24)
    callback.on_train_batch_end(0)
    assert not asked
    state.optimizer.consecutive_skips.assign(25)
    message = _message(callback)
    assert asked == [11]  # The last one of the 12 steps so far.
    assert message.splitlines()[:2] == [
        "Training diverged by step 12 (learning rate 0.004): the last 25 steps "
        "were not finite and skipped.",
        "In step 11 not finite are: the images, the log-likelihood, the KL of "
        "latent group 1 of 1, the loss.",
    ]
    assert "good checkpoint (run/ckpt-7) is kept" in message
    assert len(message.splitlines()) <= 5


def test_without_the_batch_the_counts_are_shown():
    state = _state()
    counts = np.zeros(len(state.model.trainable_variables), np.int64)
    counts[2], counts[0] = 30, 7
    state.optimizer.nonfinite_counts.assign(counts)
    state.optimizer.consecutive_skips.assign(25)
    paths = [v.path for v in state.model.trainable_variables]
    expected = f"of the run: {paths[2]} (30), {paths[0]} (7)."
    assert expected in _message(StopOnNonFinite(state))

    def batch_at(step):
        raise tf.errors.NotFoundError(None, None, "no such file\nat all")

    message = _message(StopOnNonFinite(state, batch_at))
    assert "Step 11 could not be computed again: no such file\n" in message
    assert expected in message


def test_weights_that_are_not_finite_end_the_run_at_once():
    state = _state()
    weight = state.model.trainable_variables[1]
    weight.assign(tf.fill(weight.shape, np.inf))
    state.optimizer.consecutive_skips.assign(1)
    message = _message(StopOnNonFinite(state))
    assert "weights are not finite: NaN or infinity is in" in message
    assert weight.path in message


def test_scaling_of_the_loss_counts_too():
    optimizer = LossScale(Guard(Adam(1e-3)))
    state = _state(optimizer)
    callback = StopOnNonFinite(state)
    optimizer.inner_optimizer.consecutive_skips.assign(25)
    assert "the last 25 steps" in _message(callback)


@pytest.mark.parametrize("bad_batches", [1, 6])
def test_fit_survives_a_bad_batch_and_not_many(bad_batches):
    state = _state(steps=0)
    images = binary_images(12 * 8)
    images[8 * 3 : 8 * (3 + bad_batches)] = np.nan
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(8)
    callback = StopOnNonFinite(
        state, lambda step: images[8 * step :][:8], max_skipped_in_a_row=5
    )

    def fit():
        state.model.fit(dataset, shuffle=False, verbose=0, callbacks=[callback])

    if bad_batches == 1:
        fit()
        assert int(state.optimizer.skipped_steps.numpy()) == 1
        assert state.step == 12
    else:
        with pytest.raises(DivergedError, match="step 8 .*the last 5 steps"):
            fit()
    for variable in state.model.variables:
        assert np.all(np.isfinite(variable.numpy()))


class _Run:
    """A run whose losses are made up, for `StopOnDivergence`."""

    def __init__(self, objective=None, **kwargs):
        self.loss = keras.metrics.Mean(name="loss")
        self.model = types.SimpleNamespace(
            objective=objective or ELBO(),
            image_shape=(28, 28, 1),
            metrics=[self.loss],
        )
        self.optimizer = types.SimpleNamespace(learning_rate=0.01)
        self.step = 0
        self.callback = StopOnDivergence(self, **kwargs)
        self.callback.on_train_begin()
        self.callback.on_epoch_begin(0)

    def execute(self, *losses, steps=10):
        for loss in losses:
            self.step += steps
            finite = np.isfinite(loss)
            self.loss.update_state(
                tf.fill([8 * steps], float(loss) if finite else 0.0),
                sample_weight=float(finite),  # As the model does it.
            )
            self.callback.on_train_batch_end(0)

    def end_epoch(self):
        self.loss.reset_state()
        self.callback.on_epoch_begin(1)


def test_a_loss_far_above_its_best_ends_the_run():
    run = _Run()
    run.execute(543, 200, 110, 95)
    # 95 + (95 + 392) / 4.
    run.execute(*[216] * 70)
    run.execute(*[218] * 49)
    with pytest.raises(DivergedError) as error:
        run.execute(218)
    assert (
        "the loss, 218 nats, has been above 216.8 for 500 steps; "
        "it was 95 before." in str(error.value)
    )


def test_a_dead_network_ends_the_run():
    # What a hierarchical model with too high a learning rate did on MNIST: it
    # lived on with the cost of its output's bias.
    run = _Run()
    run.execute(543, 145, 95, 91, 90)
    with pytest.raises(DivergedError, match="above 210.5 for"):
        run.execute(400, *[234] * 60)


def test_a_spike_does_not():
    run = _Run()
    for _ in range(5):
        run.execute(100, *[3e3] * 49, 200)


@pytest.mark.parametrize("spike", [1e9, 1e30, 3e38])
def test_a_spike_that_swallows_the_rest_of_the_sum_does_not(spike):
    run = _Run()
    run.execute(100, 100, spike, *[100] * 50)
    # 0, which the sum seems to say, was not taken for the best.
    run.end_epoch()
    run.execute(*[220] * 60)
    with pytest.raises(DivergedError, match="it was 100 before"):
        run.execute(*[1100] * 50)


def test_the_mean_of_the_epoch_hides_nothing():
    run = _Run(num_steps=40)
    run.execute(*[100] * 100)
    run.end_epoch()
    run.execute(*[100] * 100, *[2000] * 3)
    with pytest.raises(DivergedError):
        run.execute(2000)


def test_best_may_be_negative():
    run = _Run(SquaredError(), num_steps=10)
    run.execute(3000, -2000, -1410)  # -2000 + (2000 + 392) / 4
    run = _Run(SquaredError(), num_steps=10)
    with pytest.raises(DivergedError):
        run.execute(3000, -2000, -1390)


def test_the_warmup_of_beta_is_no_divergence():
    total = 10_000
    schedule = KLWarmup(1.0, 0.3, total)
    run = _Run(ELBO(schedule))
    for step in range(0, total, 50):
        beta = float(schedule(step))
        # Almost an autoencoder, 2 nats; then it rises to 1600, twice as many
        # as a coin flip costs, and learns.
        start = 543 * math.exp(-step / 100)
        loss = start + 2 + 1600 * beta * math.exp(-step / 20_000)
        run.execute(loss, steps=50)


def test_an_explosion_in_the_warmup_is():
    run = _Run(ELBO(KLWarmup(1.0, 0.3, 10_000)))
    run.execute(543, 60, 40)
    with pytest.raises(DivergedError, match=r"it was 40 before"):
        run.execute(*[2e4] * 50)


def test_run_that_skips_every_step_is_no_trained_model(tmp_path):
    experiment = experiments.make_experiment({"epochs": 1})
    # What no configuration allows.
    object.__setattr__(experiment.model.objective, "beta", 3e38)
    dataset = experiments.make_dataset()
    with pytest.raises(DivergedError, match="none of its 17 steps"):
        train(experiment, tmp_path / "run", dataset=dataset)
    assert not (tmp_path / "run" / "results.json").exists()


def test_a_loss_that_is_never_finite_is():
    run = _Run()
    run.execute(100)
    with pytest.raises(DivergedError, match="the loss, nan nats"):
        run.execute(*[np.nan] * 50)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
