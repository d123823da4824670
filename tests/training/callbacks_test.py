"""Tests of the callbacks, each on its own, on a fake clock."""

import os
import signal
import threading
import types

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.errors import UserError
from keras_vae.training import DivergedError, callbacks
from keras_vae.training.callbacks import (
    Averages,
    BestWeights,
    Checkpoints,
    Clock,
    Interruption,
)
from keras_vae.training.named_variables import named_variables
from keras_vae.training.state import make_state
from tests.training import experiments

_STEPS = 4


def _make_state(**model):
    return make_state(
        experiments.make_experiment(**model).model,
        (6, 6, 1),
        likelihood="bernoulli",
        total_steps=100,
        seed=0,
        precision="float32",
    )


@pytest.fixture
def state():
    return _make_state()


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands at `clock.now` seconds."""
    clock = types.SimpleNamespace(now=1000.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(callbacks, "time", clock)
    return clock


def _attached(callback):
    """Returns the callback as `fit` would use it in epochs of 4 steps."""
    callback.set_model(types.SimpleNamespace(stop_training=False))
    callback.set_params({"steps": _STEPS})
    callback.on_train_begin()
    return callback


def _step(state, steps):
    state.optimizer.iterations.assign(steps)


def _run(timer, state, clock, durations, steps=10):
    """Runs executions of some steps that take so many seconds each."""
    for seconds in durations:
        clock.now += seconds
        _step(state, state.step + steps)
        timer.on_train_batch_end(0)


def test_clock_ends_at_the_last_step(state, clock):
    timer = _attached(Clock(state, None))
    _run(timer, state, clock, [1.0] * 9)
    assert not timer.model.stop_training
    _run(timer, state, clock, [1.0])
    assert timer.model.stop_training
    assert float(state.elapsed) == 10.0
    assert int(state.total_steps) == 100


def test_clock_leaves_the_tracing_out_of_the_speed(state, clock):
    timer = _attached(Clock(state, 1.0))
    _run(timer, state, clock, [20.0])
    assert int(state.total_steps) == 100  # Nothing is known yet.
    # The first 10 of 100 steps are done, and then 2 of the 40 s that are left.
    _run(timer, state, clock, [2.0])
    assert int(state.total_steps) == int(20 / (0.1 + 0.9 * 2 / 40))


def test_share_of_the_steps_is_the_share_of_the_time_at_any_speed(state, clock):
    state.total_steps.assign(2**40)  # As of a run of unknown length.
    timer = _attached(Clock(state, 1.0))
    _run(timer, state, clock, [10.0])
    for passed, seconds in [(1, 1.0), (10, 9.0), (12, 2.0), (45, 33.0)]:
        _run(timer, state, clock, [seconds], steps=1000)
        share = state.step / int(state.total_steps)
        assert share == pytest.approx(passed / 50, rel=1e-2)


def test_a_resumed_run_goes_on_with_its_share(state, clock):
    state.elapsed.assign(30.0)
    _step(state, 500)
    state.total_steps.assign(1000)
    timer = _attached(Clock(state, 1.0))
    _run(timer, state, clock, [10.0])  # Tracing costs time, and no share.
    share = 510 / 1000
    for passed in (5, 10, 15):
        _run(timer, state, clock, [5.0])
        expected = share + (1 - share) * passed / 20
        found = state.step / int(state.total_steps)
        assert found == pytest.approx(expected, rel=1e-2)


def test_schedules_end_with_the_budget(state, clock):
    timer = _attached(Clock(state, 1.0))
    random = np.random.RandomState(0)
    while not timer.model.stop_training:
        _run(timer, state, clock, [random.uniform(0.1, 0.3)])
    assert 60.0 <= float(state.elapsed) < 60.3
    assert int(state.total_steps) == state.step + 1


def test_elapsed_goes_on_after_a_resume(state, clock):
    state.elapsed.assign(50.0)
    timer = _attached(Clock(state, 1.0))
    _run(timer, state, clock, [4.0, 3.0])
    assert float(state.elapsed) == 57.0
    assert not timer.model.stop_training
    _run(timer, state, clock, [3.0])
    assert timer.model.stop_training


def test_time_that_stands_still_is_no_error(state, clock):
    timer = _attached(Clock(state, 1.0))
    _run(timer, state, clock, [1.0, 0.0])
    assert int(state.total_steps) == 100


def test_checkpoint_of_another_version_is_refused(state, tmp_path):
    old = tf.train.Checkpoint(model=state.model)
    tf.train.CheckpointManager(old, str(tmp_path), max_to_keep=1).save(1)
    with pytest.raises(UserError, match=r"another version .* Received: "):
        Checkpoints(state, tmp_path, 1, 0.0).restore()


def test_averages_are_there_for_the_validation_alone(state):
    weight = state.model.trainable_variables[0]
    average = state.guard.averages[0]
    trained = weight.numpy()
    average.assign(trained + 1)
    averages = _attached(Averages(state))
    averages.on_test_begin()
    np.testing.assert_array_equal(weight.numpy(), trained + 1)
    np.testing.assert_array_equal(average.numpy(), trained)
    averages.on_epoch_end(0)
    np.testing.assert_array_equal(weight.numpy(), trained)
    averages.on_epoch_end(1)  # Nothing to exchange back.
    np.testing.assert_array_equal(weight.numpy(), trained)


def test_no_averages_nothing_to_exchange():
    state = _make_state(ema_momentum=0.0)
    before = [v.numpy() for v in state.model.trainable_variables]
    _attached(Averages(state)).on_test_begin()
    for variable, value in zip(state.model.trainable_variables, before):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_checkpoints_are_rotated(state, tmp_path, clock):
    checkpoints = _attached(Checkpoints(state, tmp_path, keep=2, seconds=5.0))
    for step in range(8):
        _step(state, step)
        checkpoints.on_train_batch_begin(step)
        clock.now += 2.0
    names = sorted(path.name for path in tmp_path.glob("*.index"))
    assert names == ["ckpt-3.index", "ckpt-6.index"]


def test_checkpoint_restores_everything(state, tmp_path):
    checkpoints = _attached(Checkpoints(state, tmp_path, 1, 0.0))
    assert not checkpoints.restore()
    _step(state, 7)
    state.elapsed.assign(3.0)
    state.keep_best(2.0)
    state.epochs_waited.assign(1)
    slot = state.optimizer.inner._velocities[0]
    slot.assign(tf.fill(slot.shape, 5.0))
    checkpoints.save()
    fresh = _make_state()
    assert Checkpoints(fresh, tmp_path, 1, 0.0).restore()
    assert fresh.step == 7
    assert float(fresh.elapsed) == 3.0
    assert float(fresh.best_loss) == 2.0
    assert int(fresh.best_step) == 7
    for name, value in state.best.items():
        np.testing.assert_array_equal(fresh.best[name], value)
    assert int(fresh.epochs_waited) == 1
    np.testing.assert_array_equal(
        fresh.optimizer.inner._velocities[0].numpy(), slot.numpy()
    )


@pytest.mark.parametrize("where", ["weight", "moment", "average"])
def test_nothing_that_is_not_finite_is_saved(state, tmp_path, where):
    checkpoints = _attached(Checkpoints(state, tmp_path, 2, 0.0))
    checkpoints.save()
    variable = {
        "weight": state.model.trainable_variables[0],
        "moment": state.optimizer.inner._velocities[0],
        "average": state.guard.averages[0],
    }[where]
    _step(state, 5)
    variable.assign(tf.fill(variable.shape, np.inf))
    with pytest.raises(DivergedError, match=variable.path) as error:
        checkpoints.on_train_batch_begin(0)
    assert f"({tmp_path}/ckpt-0) is kept" in str(error.value)
    assert [path.name for path in tmp_path.glob("*.index")] == ["ckpt-0.index"]


def test_interrupted_epoch_is_saved_at_once():
    saved = []
    interruption = _attached(Interruption(lambda: saved.append(True)))
    try:
        interruption.on_train_batch_end(2)
        # Where the run ends otherwise, the validation comes first.
        interruption.model.stop_training = True
        interruption.on_train_batch_end(2)
        assert not saved
        os.kill(os.getpid(), signal.SIGTERM)
        # The last batch of an epoch waits for the validation, others do not.
        interruption.on_train_batch_end(_STEPS - 1)
        assert not saved
        interruption.on_train_batch_end(2)
        assert saved
    finally:
        interruption.restore_handlers()


def test_end_of_a_run_is_saved(state, tmp_path, clock):
    checkpoints = _attached(Checkpoints(state, tmp_path, 2, 1e9))
    _step(state, 3)
    checkpoints.on_train_batch_end(2)
    assert not list(tmp_path.glob("*.index"))
    checkpoints.on_train_end()
    assert [path.name for path in tmp_path.glob("*.index")] == ["ckpt-3.index"]


def _best_weights(state, patience=2, received=None):
    interruption = types.SimpleNamespace(received=received)
    return _attached(BestWeights(state, patience, interruption))


def _epochs(stopping, state, losses):
    for loss in losses:
        _step(state, state.step + _STEPS)
        stopping.on_train_batch_end(_STEPS - 1)
        stopping.on_epoch_end(0, {"val_loss": loss})


def test_the_best_weights_are_kept(state):
    best = _best_weights(state)
    name, variable = next(iter(named_variables(state.model).items()))
    for loss, value in ((3.0, 1.0), (2.0, 2.0), (2.5, 3.0)):
        variable.assign(tf.fill(variable.shape, value))
        _epochs(best, state, [loss])
    assert not best.model.stop_training
    assert float(state.best_loss) == 2.0
    assert int(state.best_step) == 2 * _STEPS
    assert np.all(state.best[name].numpy() == 2.0)
    assert np.all(state.values("best")[name] == 2.0)
    _epochs(best, state, [2.0])
    assert best.model.stop_training


def test_the_best_weights_are_those_that_were_validated(state):
    """The averages, which the model has until `Averages` puts it right."""
    averages, best = _attached(Averages(state)), _best_weights(state)
    average = state.guard.averages[0]
    average.assign(tf.fill(average.shape, 7.0))
    averages.on_test_begin()
    _epochs(best, state, [1.0])
    averages.on_epoch_end(0)
    assert np.all(next(iter(state.best.values())).numpy() == 7.0)
    assert np.any(state.model.trainable_variables[0].numpy() != 7.0)


def test_without_patience_nothing_stops(state):
    best = _best_weights(state, patience=0)
    _epochs(best, state, [2.0, 3.0, 3.0, 3.0])
    assert not best.model.stop_training
    assert int(state.best_step) == _STEPS


def test_patience_counts_anew_after_a_better_epoch(state):
    best = _best_weights(state)
    _epochs(best, state, [3.0, 3.5, 2.0, 2.5])
    assert not best.model.stop_training


def test_patience_looks_at_what_is_trained(state):
    """Not at the ELBO, which orders these epochs the other way round."""
    best = _best_weights(state)
    for loss, elbo in ((3.0, -5.0), (2.0, -6.0), (1.0, -7.0), (1.5, -4.0)):
        _step(state, state.step + _STEPS)
        best.on_train_batch_end(_STEPS - 1)
        best.on_epoch_end(0, {"val_loss": loss, "val_elbo": elbo})
    assert not best.model.stop_training
    assert float(state.best_loss) == 1.0
    assert int(state.best_step) == 3 * _STEPS


def test_patience_goes_on_counting(state):
    _epochs(_best_weights(state), state, [2.0, 3.0])
    resumed = _best_weights(state)
    _epochs(resumed, state, [2.5])
    assert resumed.model.stop_training


def test_nan_is_no_better_epoch(state):
    best = _best_weights(state)
    _epochs(best, state, [2.0, float("nan"), float("nan")])
    assert best.model.stop_training
    assert float(state.best_loss) == 2.0


def test_epoch_that_was_cut_off_does_not_count(state):
    best = _best_weights(state, received=signal.SIGTERM)
    best.on_train_batch_end(1)
    best.on_epoch_end(0, {"val_loss": 1.0})
    assert float(state.best_loss) == np.inf
    # A signal within the last execution: this epoch is whole.
    _epochs(best, state, [1.0])
    assert float(state.best_loss) == 1.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_in_order(number):
    before = signal.getsignal(number)
    interruption = _attached(Interruption())
    os.kill(os.getpid(), number)
    assert interruption.model.stop_training
    assert interruption.received == number
    interruption.on_train_end()
    assert signal.getsignal(number) is before


def test_signals_are_left_alone_in_other_threads():
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=_attached, args=(Interruption(),))
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
