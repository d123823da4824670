"""Tests of the guard around Keras's optimizers, against these alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.training import Guard, make_strategy

_SHAPES = ((3, 4), (4,))
OPTIMIZERS = {
    "sgd": lambda **kw: keras.optimizers.SGD(momentum=0.9, **kw),
    "rmsprop": lambda **kw: keras.optimizers.RMSprop(**kw),
    "adam": lambda **kw: keras.optimizers.Adam(amsgrad=True, **kw),
    "adamw": lambda **kw: keras.optimizers.AdamW(weight_decay=0.1, **kw),
    "adadelta": lambda **kw: keras.optimizers.Adadelta(**kw),
    "adagrad": lambda **kw: keras.optimizers.Adagrad(weight_decay=0.1, **kw),
    "adamax": lambda **kw: keras.optimizers.Adamax(**kw),
    "adafactor": lambda **kw: keras.optimizers.Adafactor(**kw),
    "ftrl": lambda **kw: keras.optimizers.Ftrl(**kw),
    "lamb": lambda **kw: keras.optimizers.Lamb(**kw),
    "lion": lambda **kw: keras.optimizers.Lion(weight_decay=0.1, **kw),
    "muon": lambda **kw: keras.optimizers.Muon(
        weight_decay=None, adam_weight_decay=None, **kw
    ),
}


def _variables():
    random = np.random.RandomState(0)
    return [
        keras.Variable(random.randn(*shape), dtype="float32")
        for shape in _SHAPES
    ]


def _gradients(step):
    random = np.random.RandomState(100 + step)
    return [tf.constant(random.randn(*s), tf.float32) for s in _SHAPES]


def _train(optimizer, variables, gradients):
    optimizer.build(variables)

    @tf.function
    def step(gradients):
        optimizer.apply_gradients(zip(gradients, variables))

    for one in gradients:
        step(one)
    return [variable.numpy() for variable in variables]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_takes_the_steps_of_the_optimizer_within(name):
    rate = keras.optimizers.schedules.CosineDecay(0.1, 8)
    gradients = [_gradients(step) for step in range(6)]
    guard = Guard(OPTIMIZERS[name](learning_rate=rate), skip_factor=9.0)
    found = _train(guard, _variables(), gradients)
    plain = OPTIMIZERS[name](learning_rate=rate)
    expected = _train(plain, _variables(), gradients)
    for a, b, start in zip(found, expected, _variables()):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        assert np.abs(a - start.numpy()).max() > 1e-4


@pytest.mark.parametrize("name", ["adamw", "sgd", "lion"])
def test_two_replicas_take_the_steps_of_one(name):
    options = {"max_norm": 0.5, "use_ema": True}
    gradients = [_gradients(step) for step in range(4)]
    guard = Guard(OPTIMIZERS[name](learning_rate=0.1), **options)
    expected = _train(guard, _variables(), gradients)
    strategy = make_strategy("mirrored")
    with strategy.scope():
        variables = _variables()
        mirrored = Guard(OPTIMIZERS[name](learning_rate=0.1), **options)
        mirrored.build(variables)

    @tf.function
    def step(gradients):
        def replica():
            index = tf.distribute.get_replica_context().replica_id_in_sync_group
            share = tf.gather([0.25, 0.75], index)
            pairs = zip([share * g for g in gradients], variables)
            mirrored.apply_gradients(pairs)

        strategy.run(replica)

    for number, one in enumerate(gradients):
        step(one)
        if number == 1:
            step([g * np.nan for g in one])
    assert int(mirrored.iterations.numpy()) == 5
    assert int(mirrored.inner.iterations.numpy()) == 4
    # Signs and roots of what is rounded otherwise; the size is that of steps.
    pairs = zip(variables, expected)
    for variable, value in pairs:
        np.testing.assert_allclose(variable.numpy(), value, atol=1e-5)
    for a, b in zip(mirrored.averages, guard.averages):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-5)


def test_a_schedule_counts_a_skipped_step_and_the_optimizer_does_not():
    rate = keras.optimizers.schedules.PiecewiseConstantDecay(
        [0, 1], [0.5, 0.25, 0.125]
    )
    variable = keras.Variable([1.0])
    guard = Guard(keras.optimizers.SGD(rate))
    guard.build([variable])
    values = []
    for gradient in (1.0, np.nan, 1.0):
        guard.apply_gradients([(tf.constant([gradient]), variable)])
        values.append(float(variable.numpy()[0]))
    assert values == [0.5, 0.5, 0.375]
    assert (int(guard.iterations), int(guard.inner.iterations)) == (3, 2)


def test_the_learning_rate_is_that_of_the_optimizer_within():
    guard = Guard(keras.optimizers.SGD(0.5))
    assert float(guard.learning_rate) == 0.5
    guard.learning_rate = 0.25
    assert float(guard.inner.learning_rate) == 0.25
    variable = keras.Variable([1.0])
    guard.apply_gradients([(tf.constant([1.0]), variable)])
    assert float(variable.numpy()[0]) == 0.75


def test_constraints_hold_after_a_step():
    variable = keras.Variable([1.0, 1.0])
    variable.constraint = keras.constraints.NonNeg()
    guard = Guard(keras.optimizers.SGD(1.0))
    guard.apply_gradients([(tf.constant([3.0, 0.5]), variable)])
    np.testing.assert_array_equal(variable.numpy(), [0.0, 0.5])


def test_a_variable_without_a_gradient_is_named():
    variables = _variables()
    guard = Guard("sgd", use_ema=True)
    guard.build(variables)
    gradients = [_gradients(0)[0], None]
    with pytest.warns(UserWarning, match=variables[1].path):
        guard.apply_gradients(zip(gradients, variables))
    start = _variables()
    np.testing.assert_array_equal(variables[1].numpy(), start[1].numpy())
    np.testing.assert_array_equal(guard.averages[1].numpy(), start[1].numpy())
    assert np.abs(variables[0].numpy() - start[0].numpy()).max() > 1e-3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            keras.optimizers.Nadam,
            "`inner` must consist of .*inner=Nadam.*`_backend_update_step`",
        ),
        (
            lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()),
            "`inner` must consist of .*inner=LossScaleOptimizer.*`apply`",
        ),
        (lambda: Guard("adam"), "`inner` must consist of .*inner=Guard"),
        (
            lambda: keras.optimizers.Adam(global_clipnorm=1.0),
            r"`inner` must leave `global_clipnorm`.*Adam\(global_clipnorm=1",
        ),
        (
            lambda: keras.optimizers.SGD(gradient_accumulation_steps=2),
            r"`inner` must leave `gradient_acc.*SGD\(gradient_accumulation_",
        ),
        (
            lambda: keras.optimizers.Muon(weight_decay=None),
            r"`inner` must have no `adam_weight_decay`.*Muon\(adam_weight_de",
        ),
    ],
)
def test_what_the_guard_does_itself_is_refused_within(make, message):
    with pytest.raises(ValueError, match=message):
        Guard(make())


@pytest.mark.parametrize("rate", [0.25, "schedule"])
def test_config_round_trip(rate):
    if rate == "schedule":
        rate = keras.optimizers.schedules.CosineDecay(0.1, 8)
    guard = Guard(
        keras.optimizers.Lion(rate, weight_decay=0.5),
        gradient_accumulation_steps=2,
        ema_momentum=0.5,
        name="mine",
    )
    config = keras.saving.serialize_keras_object(guard)
    restored = keras.saving.deserialize_keras_object(config)
    assert isinstance(restored.inner, keras.optimizers.Lion)
    assert restored.get_config() == guard.get_config()
    assert (restored.name, restored.inner.weight_decay) == ("mine", 0.5)
    assert float(restored.learning_rate) == float(guard.learning_rate)


@pytest.mark.parametrize(
    "option",
    [
        {"clipnorm": 1.0},
        {"clipvalue": 1.0},
        {"loss_scale_factor": 2.0},
        {"use_ema": True},
    ],
    ids=lambda option: next(iter(option)),
)
def test_options_of_the_guard_are_refused_within(option):
    (name,) = option
    with pytest.raises(ValueError, match=f"must leave `{name}`.*SGD.{name}="):
        Guard(keras.optimizers.SGD(0.1, **option))


@pytest.mark.filterwarnings("ignore:These have no gradient")
def test_what_is_not_finite_is_counted_where_it_is():
    variables = [keras.Variable([1.0]) for _ in range(3)]
    guard = Guard("sgd")
    guard.build(variables)
    gradients = [None, tf.constant([np.nan]), tf.constant([1.0])]
    guard.apply(gradients, variables)
    np.testing.assert_array_equal(guard.nonfinite_counts, [0, 1, 0])


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
