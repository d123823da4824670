"""Tests of Adam against Keras's own, and of what a guard adds."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.training import (
    Adam,
    Adamax,
    Guard,
    LossScale,
    Muon,
    make_strategy,
)

_SHAPES = ((3, 4), (4,))


def _variables():
    random = np.random.RandomState(0)
    return [
        keras.Variable(random.randn(*shape), dtype="float32")
        for shape in _SHAPES
    ]


def _gradients(step, factor=1.0):
    random = np.random.RandomState(100 + step)
    return [
        tf.constant(factor * random.randn(*shape), tf.float32)
        for shape in _SHAPES
    ]


def _apply(optimizer, variables, steps, factor=1.0):
    @tf.function
    def apply(gradients):
        optimizer.apply_gradients(zip(gradients, variables))

    for step in range(steps):
        apply(_gradients(step, factor))
        yield [variable.numpy() for variable in variables]


def _build(optimizer, variables):
    optimizer.build(variables)
    return optimizer


@pytest.mark.parametrize("beta_2", [0.995, 0.999])
def test_takes_the_steps_of_keras(beta_2):
    arguments = {
        "learning_rate": keras.optimizers.schedules.CosineDecay(0.1, 40),
        "beta_1": 0.8,
        "beta_2": beta_2,
        "epsilon": 1e-4,
    }
    ours, theirs = _variables(), _variables()
    pairs = zip(
        _apply(_build(Guard(Adam(**arguments)), ours), ours, 40),
        _apply(_build(keras.optimizers.Adam(**arguments), theirs), theirs, 40),
    )
    for mine, expected in pairs:
        for a, b in zip(mine, expected):
            # 40 steps of float32 rounding, in another order of operations.
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


def test_small_gradient_is_not_clipped():
    clipped, free = _variables(), _variables()
    pairs = zip(
        _apply(_build(Guard(Adam(0.1), max_norm=1e3), clipped), clipped, 3),
        _apply(_build(Guard(Adam(0.1)), free), free, 3),
    )
    for mine, expected in pairs:
        for a, b in zip(mine, expected):
            np.testing.assert_allclose(a, b, rtol=1e-6)


def test_clips_the_global_norm():
    # Only the moments tell: Adam's step hardly depends on the scale.
    variables = _variables()
    optimizer = _build(Guard(Adam(0.1, beta_1=0.9), max_norm=0.5), variables)
    next(_apply(optimizer, variables, 1))
    gradients = [g.numpy() for g in _gradients(0)]
    norm = np.sqrt(sum(np.sum(np.square(g)) for g in gradients))
    assert norm > 0.5
    for moment, gradient in zip(optimizer.inner._momentums, gradients):
        expected = 0.1 * gradient * 0.5 / norm
        np.testing.assert_allclose(moment.numpy(), expected, rtol=1e-5)


def test_clips_after_the_sum_over_replicas():
    strategy = make_strategy("mirrored")
    with strategy.scope():
        variable = keras.Variable(np.zeros(2), dtype="float32")
        optimizer = _build(
            Guard(Adam(0.1, beta_1=0.9), max_norm=1.0), [variable]
        )
    # Each share has norm 3 or 4, their sum (3, 4) has norm 5.
    shares = tf.constant([[3.0, 0.0], [0.0, 4.0]])

    @tf.function
    def step():
        def replica():
            index = tf.distribute.get_replica_context().replica_id_in_sync_group
            optimizer.apply_gradients([(tf.gather(shares, index), variable)])

        strategy.run(replica)

    step()
    moment = optimizer.inner._momentums[0].numpy()
    np.testing.assert_allclose(moment, 0.1 * np.array([0.6, 0.8]), rtol=1e-5)


def test_average_follows_its_ramp():
    variables = _variables()
    optimizer = _build(
        Guard(Adam(0.1), use_ema=True, ema_momentum=0.6), variables
    )
    average = None
    for step, weights in enumerate(_apply(optimizer, variables, 20)):
        # (1 + t) / (10 + t) exceeds 0.6 from t = 13 on.
        momentum = min(0.6, (1 + step) / (10 + step))
        if average is None:
            average = weights
        else:
            average = [
                momentum * old + (1 - momentum) * new
                for old, new in zip(average, weights)
            ]
        for a, b in zip(optimizer._model_variables_moving_average, average):
            np.testing.assert_allclose(a.numpy(), b, rtol=1e-4, atol=1e-6)


def test_end_of_fit_leaves_the_weights():
    variables = _variables()
    optimizer = _build(Guard(Adam(0.1), use_ema=True), variables)
    *_, trained = _apply(optimizer, variables, 5)
    optimizer.finalize_variable_values(variables)
    for variable, value in zip(variables, trained):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_config_round_trip():
    optimizer = Guard(
        Adam(0.01, beta_2=0.99),
        max_norm=3.0,
        skip_factor=5.0,
        max_consecutive_skips=4,
        use_ema=True,
    )
    config = keras.saving.serialize_keras_object(optimizer)
    restored = keras.saving.deserialize_keras_object(config)
    assert isinstance(restored, Guard)
    assert isinstance(restored.inner, Adam)
    assert restored.max_norm == 3.0
    assert restored.skip_factor == 5.0
    assert restored.max_consecutive_skips == 4
    assert restored.get_config() == optimizer.get_config()


def test_amsgrad_is_refused():
    with pytest.raises(ValueError, match=r"amsgrad.*Received: True"):
        Adam(0.1, amsgrad=True)


def test_loss_scale_unscales_before_clipping():
    scaled, plain = _variables(), _variables()
    inner = Guard(Adam(0.1), max_norm=0.5, use_ema=True)
    wrapped = _build(LossScale(inner, initial_scale=1024.0), scaled)
    direct = _build(Guard(Adam(0.1), max_norm=0.5, use_ema=True), plain)
    pairs = zip(
        _apply(wrapped, scaled, 5, factor=1024.0), _apply(direct, plain, 5)
    )
    for mine, expected in pairs:
        for a, b in zip(mine, expected):
            np.testing.assert_allclose(a, b, rtol=1e-5)
    for a, b in zip(inner.inner._momentums, direct.inner._momentums):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5)


def test_loss_scale_counts_a_skipped_step():
    variables = _variables()
    before = [variable.numpy() for variable in variables]
    optimizer = _build(
        LossScale(Guard(Adam(0.1)), initial_scale=1024.0), variables
    )
    for weights in _apply(optimizer, variables, 2, factor=np.inf):
        np.testing.assert_array_equal(weights[0], before[0])
    assert int(optimizer.iterations.numpy()) == 2
    assert float(optimizer.dynamic_scale.numpy()) == 256.0
    inner = optimizer.inner_optimizer
    assert int(inner.skipped_steps.numpy()) == 2
    assert int(inner.consecutive_skips.numpy()) == 2


def test_loss_scale_does_not_average_what_was_not_there():
    variables = _variables()
    inner = Guard(Adam(0.1), use_ema=True)
    optimizer = _build(LossScale(inner, initial_scale=1024.0), variables)
    list(_apply(optimizer, variables, 2, factor=np.inf))
    next(_apply(optimizer, variables, 1, factor=256.0))
    # The average begins with the first update, not with the zeros before it.
    for a, b in zip(inner._model_variables_moving_average, variables):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)


def test_loss_scale_config_round_trip():
    optimizer = LossScale(Guard(Adam(0.01), max_norm=3.0))
    config = keras.saving.serialize_keras_object(optimizer)
    restored = keras.saving.deserialize_keras_object(config)
    assert isinstance(restored, LossScale)
    assert restored.inner_optimizer.max_norm == 3.0


OPTIMIZERS = {
    "adam": lambda: Adam(0.1),
    "adam_decay": lambda: Adam(0.1, weight_decay=0.1),
    "adamax": lambda: Adamax(0.1, l2_penalty=0.1),
    "muon": lambda: Muon(0.1, weight_decay=0.1),
}


def _stepper(optimizer, variables):
    @tf.function
    def step(gradients):
        optimizer.apply_gradients(zip(gradients, variables))

    return step


def _moments(optimizer):
    """Returns everything that an update changes, by the variable's path."""
    names = ("momentum", "velocity", "norm", "average")
    return {
        v.path: v.numpy()
        for v in optimizer.variables
        if v.path.endswith(tuple(f"_{name}" for name in names))
    }


def _spoiled(step, value, index=1):
    gradients = _gradients(step)
    mask = tf.one_hot(0, _SHAPES[index][0])
    mask = tf.reshape(mask, [-1] + [1] * (len(_SHAPES[index]) - 1))
    gradients[index] = tf.where(mask > 0, value, gradients[index])
    return gradients


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("spoiled_step", [0, 3])
@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e30])
def test_a_gradient_that_is_not_finite_leaves_everything_as_it_was(
    name, spoiled_step, value
):
    """The steps that are left are those of a run without the bad batch."""
    ours, theirs = _variables(), _variables()
    arguments = {"use_ema": True, "max_norm": 2.0}
    optimizer = _build(Guard(OPTIMIZERS[name](), **arguments), ours)
    other = _build(Guard(OPTIMIZERS[name](), **arguments), theirs)
    step, reference = _stepper(optimizer, ours), _stepper(other, theirs)
    for number in range(6):
        if number != spoiled_step:
            step(_gradients(number))
            reference(_gradients(number))
            continue
        before = [v.numpy() for v in ours]
        moments = _moments(optimizer)
        step(_spoiled(number, value))
        for variable, old in zip(ours, before):
            np.testing.assert_array_equal(variable.numpy(), old)
        # Muon has no second moment for the matrix.
        assert len(moments) == (5 if name == "muon" else 6)
        for path, new in _moments(optimizer).items():
            np.testing.assert_array_equal(new, moments[path])
        assert int(optimizer.consecutive_skips.numpy()) == 1
    assert int(optimizer.iterations.numpy()) == 6
    assert int(optimizer.skipped_steps.numpy()) == 1
    assert int(optimizer.consecutive_skips.numpy()) == 0
    assert list(optimizer.nonfinite_counts.numpy()) == [0, 1]
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)
    averages = optimizer._model_variables_moving_average
    for a, b in zip(averages, other._model_variables_moving_average):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)


@pytest.mark.parametrize("kind", [Adam, Muon])
@pytest.mark.parametrize("excluded", [0, 1])
def test_what_is_excluded_from_weight_decay_has_none(kind, excluded):
    ours, plain = _variables(), _variables()
    optimizer = Guard(kind(0.1, weight_decay=0.5))
    optimizer.exclude_from_weight_decay([ours[excluded]])
    pairs = zip(
        _apply(_build(optimizer, ours), ours, 2),
        _apply(_build(Guard(kind(0.1)), plain), plain, 2),
    )
    for mine, expected in pairs:
        np.testing.assert_allclose(
            mine[excluded], expected[excluded], rtol=1e-6
        )
        other = 1 - excluded
        assert np.abs(mine[other] - expected[other]).max() > 0.01


def test_survives_in_xla_too():
    variables = _variables()
    optimizer = _build(
        Guard(Adamax(0.1), use_ema=True, skip_factor=3.0), variables
    )

    @tf.function(jit_compile=True)
    def step(gradients):
        optimizer.apply_gradients(zip(gradients, variables))

    for gradients in (_spoiled(0, np.nan), _gradients(1), _spoiled(2, np.inf)):
        step(gradients)
    assert int(optimizer.skipped_steps.numpy()) == 2
    # Adamax's first step has the length of the learning rate nearly.
    for variable, start in zip(variables, _variables()):
        change = np.abs(variable.numpy() - start.numpy())
        assert np.all((change > 0.09) & (change < 0.1))


def _unit_gradient(norm):
    return [tf.fill(s, norm / np.sqrt(16.0)) for s in _SHAPES]


def _apply_norms(optimizer, step, norms):
    """Applies gradients of such norms; returns which were skipped."""
    skipped = []
    for norm in norms:
        before = int(optimizer.skipped_steps.numpy())
        step(_unit_gradient(tf.cast(norm, tf.float32)))
        skipped.append(int(optimizer.skipped_steps.numpy()) > before)
    return skipped


def _moment_norm(optimizer):
    """Returns the norm of the last step's gradient; beta_1 must be 0."""
    moments = [moment.numpy() for moment in optimizer.inner._momentums]
    return np.sqrt(sum(np.sum(moment**2) for moment in moments))


def _norms(optimizer):
    return optimizer.accepted_norms.numpy()


def test_a_norm_far_above_the_running_median_is_skipped():
    variables = _variables()
    optimizer = _build(Guard(Adam(0.1), skip_factor=4.0), variables)
    step = _stepper(optimizer, variables)
    # Nothing is known of a run's beginning, when norms are wild.
    start = np.r_[1e4, 1e-3, np.linspace(1.0, 3.0, 30)]
    assert not any(_apply_norms(optimizer, step, start))
    np.testing.assert_allclose(_norms(optimizer)[-32:], start, rtol=1e-5)
    limit = 4.0 * np.sort(start)[::-1][16]
    assert 7 < limit < 9
    norms = [0.99 * limit, 1.2 * limit, np.inf, 1e-6]
    assert _apply_norms(optimizer, step, norms) == [False, True, True, False]
    # Only what was applied is remembered, and overflow of no variable's
    # gradient is counted but where it was.
    assert _norms(optimizer)[-2:] == pytest.approx([0.99 * limit, 1e-6])
    assert list(optimizer.nonfinite_counts.numpy()) == [1, 1]


def test_gradients_are_clipped_where_the_limit_of_a_skip_is_known_too():
    variables = _variables()
    optimizer = _build(
        Guard(Adam(0.1, beta_1=0.0), max_norm=0.5, skip_factor=4.0), variables
    )
    step = _stepper(optimizer, variables)
    # From 32 norms on there is a limit, 4 here. The last one is above
    # `max_norm` and below that.
    for norm in [1.0] * 40 + [3.0]:
        assert _apply_norms(optimizer, step, [norm]) == [False]
        assert _moment_norm(optimizer) == pytest.approx(0.5)
    # Where every step was skipped, one is applied, and is clipped too.
    assert _apply_norms(optimizer, step, [50.0] * 11) == [True] * 10 + [False]
    assert _moment_norm(optimizer) == pytest.approx(0.5)
    # What is smaller is left as it is.
    _apply_norms(optimizer, step, [0.25])
    assert _moment_norm(optimizer) == pytest.approx(0.25)


def test_a_norm_that_has_grown_for_good_does_not_deadlock():
    variables = _variables()
    optimizer = _build(
        Guard(Adam(0.1, beta_1=0.0), skip_factor=4.0, max_consecutive_skips=3),
        variables,
    )
    step = _stepper(optimizer, variables)
    _apply_norms(optimizer, step, [2.0] * 64)
    skipped = _apply_norms(optimizer, step, [50.0] * 4)
    assert skipped == [True, True, True, False]
    # It was clipped to the threshold, and remembered as it was.
    assert _moment_norm(optimizer) == pytest.approx(8.0)
    assert _norms(optimizer)[-1] == pytest.approx(50.0)
    # From when half of the window holds the new norms, none is skipped.
    skipped = _apply_norms(optimizer, step, [50.0] * 4 * 33)
    assert skipped.count(False) > 33
    assert not any(skipped[-4:])


def test_replicas_skip_together(tmp_path):
    strategy = make_strategy("mirrored")

    def make():
        with strategy.scope():
            variable = keras.Variable(np.ones(2), dtype="float32")
            optimizer = Guard(Adamax(0.1, l2_penalty=0.1), use_ema=True)
            optimizer.build([variable])
        return variable, optimizer

    variable, optimizer = make()
    shares = tf.Variable([[3.0, 0.0], [0.0, 4.0]])

    @tf.function
    def step():
        def replica():
            index = tf.distribute.get_replica_context().replica_id_in_sync_group
            optimizer.apply_gradients([(tf.gather(shares, index), variable)])

        strategy.run(replica)

    def copies(variable):
        values = strategy.experimental_local_results(variable.value)
        return np.stack([value.numpy() for value in values])

    step()
    before = [copies(v) for v in (variable, *optimizer.variables)]
    # The second replica alone has seen it.
    shares.assign([[3.0, 0.0], [np.nan, 4.0]])
    step()
    step()
    counters = ("iteration", "skips", "steps", "counts")
    for v, old in zip((variable, *optimizer.variables), before):
        if not v.path.endswith(counters):
            np.testing.assert_array_equal(copies(v), old, err_msg=v.path)
    np.testing.assert_array_equal(copies(optimizer.skipped_steps), [2, 2])
    np.testing.assert_array_equal(copies(optimizer.iterations), [3, 3])
    np.testing.assert_array_equal(
        copies(optimizer.nonfinite_counts), [[2], [2]]
    )

    path = tf.train.Checkpoint(optimizer=optimizer).save(str(tmp_path / "c"))
    _, fresh = make()
    checkpoint = tf.train.Checkpoint(optimizer=fresh)
    checkpoint.restore(path).assert_consumed()
    np.testing.assert_array_equal(copies(fresh.consecutive_skips), [2, 2])
    for a, b in zip(fresh.variables, optimizer.variables):
        np.testing.assert_array_equal(copies(a), copies(b), err_msg=a.path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_norm", -1.0),
        ("max_norm", np.nan),
        ("skip_factor", 1.0),
        ("skip_factor", np.inf),
        ("max_consecutive_skips", 0),
    ],
)
def test_bad_arguments_are_named(name, value):
    with pytest.raises(ValueError, match=rf"`{name}`.*Received: {name}="):
        Guard("adam", **{name: value})


@pytest.mark.parametrize("name", ["adam", "scaled"])
def test_says_whether_the_last_step_was_skipped(name):
    variables = _variables()
    optimizer = Guard(Adam(0.1))
    if name == "scaled":
        optimizer = LossScale(optimizer)
    optimizer = _build(optimizer, variables)
    assert optimizer.skips_steps
    for number, value in ((0, None), (1, np.nan), (2, np.inf), (3, None)):
        good = value is None
        gradients = _gradients(number) if good else _spoiled(number, value)
        optimizer.apply_gradients(zip(gradients, variables))
        assert bool(optimizer.last_step_skipped) == (not good)
    assert not LossScale(keras.optimizers.SGD()).skips_steps


def test_of_a_gradient_that_is_only_added_it_is_not_known():
    variables = _variables()
    optimizer = _build(
        Guard(Adam(0.1), gradient_accumulation_steps=2), variables
    )
    found = []
    for number in range(6):
        bad = number == 2  # The update of batches 2 and 3.
        gradients = _spoiled(number, np.nan) if bad else _gradients(number)
        optimizer.apply_gradients(zip(gradients, variables))
        found.append(bool(optimizer.last_step_skipped))
    assert found == [False, False, False, True, False, False]


@pytest.mark.parametrize("name", ["adam", "adamax", "muon"])
@pytest.mark.parametrize("bad", range(4))
def test_an_overflow_in_an_update_of_several_batches(name, bad):
    """The update is skipped whole, and counted once, at whatever batch."""
    make = {"adam": Adam, "adamax": Adamax, "muon": Muon}[name]
    options = {"max_norm": 1.0, "use_ema": True}
    variables, twins = _variables(), _variables()
    inner = Guard(make(0.1), gradient_accumulation_steps=2, **options)
    optimizer = _build(LossScale(inner, initial_scale=64.0), variables)
    twin = _build(Guard(make(0.1), **options), twins)
    numbers = range(6)
    for number in numbers:
        scale = float(optimizer.dynamic_scale.numpy())
        gradients = [g * scale for g in _gradients(number)]
        if number == bad:
            gradients = _spoiled(number, np.inf)
        optimizer.apply_gradients(zip(gradients, variables))
    for first in numbers[::2]:
        if bad not in (first, first + 1):
            pairs = zip(_gradients(first), _gradients(first + 1))
            mean = [(a + b) / 2.0 for a, b in pairs]
            twin.apply_gradients(zip(mean, twins))
    for a, b in zip(variables, twins):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)
    for a, b in zip(
        inner._model_variables_moving_average,
        twin._model_variables_moving_average,
    ):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)
    assert int(inner.skipped_steps.numpy()) == 1
    assert int(inner._iterations.numpy()) == 6
    assert float(optimizer.dynamic_scale.numpy()) == 32.0


def test_the_scale_grows_after_so_many_steps_without_an_overflow():
    theirs_of, ours_of = _variables(), _variables()
    options = {"initial_scale": 8.0, "dynamic_growth_steps": 3}
    theirs = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.1), **options
    )
    ours = LossScale(Guard(Adam(0.1)), **options)
    _build(theirs, theirs_of), _build(ours, ours_of)
    for number, bad in enumerate("..x....x........"):
        scales = []
        for optimizer, variables in ((theirs, theirs_of), (ours, ours_of)):
            good = bad == "."
            gradients = _gradients(number) if good else _spoiled(number, np.nan)
            optimizer.apply_gradients(zip(gradients, variables))
            scales.append(float(optimizer.dynamic_scale.numpy()))
            scales.append(int(optimizer.step_counter.numpy()))
        assert scales[:2] == scales[2:]


@pytest.mark.parametrize("bad", [0, 1])
def test_an_overflow_on_one_replica_lowers_the_scale_on_all(bad):
    strategy = make_strategy("mirrored")
    with strategy.scope():
        variable = keras.Variable(np.ones(2), dtype="float32")
        optimizer = LossScale(Guard(Adam(0.1)), initial_scale=64.0)
        optimizer.build([variable])
    shares = tf.Variable([[3.0, 1.0], [2.0, 4.0]])

    @tf.function
    def step():
        def replica():
            index = tf.distribute.get_replica_context().replica_id_in_sync_group
            optimizer.apply_gradients([(tf.gather(shares, index), variable)])

        strategy.run(replica)

    def copies(variable):
        values = strategy.experimental_local_results(variable.value)
        return np.stack([value.numpy() for value in values]).tolist()

    step()
    before = copies(variable)
    assert before[0] == before[1] != [1.0, 1.0]
    shares[bad].assign([np.inf, 1.0])
    step()
    step()
    assert copies(variable) == before
    assert copies(optimizer.dynamic_scale) == [16.0, 16.0]
    assert copies(optimizer.step_counter) == [0, 0]
    inner = optimizer.inner_optimizer
    assert copies(inner.skipped_steps) == [2, 2]
    assert copies(inner._iterations) == [3, 3]


def test_gradients_are_not_added_up_on_several_replicas():
    variables = [keras.Variable(np.ones(2), dtype="float32")]
    optimizer = Guard("adam", gradient_accumulation_steps=2)
    message = "^`gradient_accumulation_steps` must be None.*=2 on 2 replicas"
    with make_strategy("mirrored").scope():
        for wrapped in (optimizer, LossScale(optimizer)):
            with pytest.raises(ValueError, match=message):
                wrapped.build(variables)
    optimizer.build(variables)


def test_an_optimizer_of_keras_is_scaled_as_by_keras():
    found = []
    for wrap in (keras.optimizers.LossScaleOptimizer, LossScale):
        variables = _variables()
        inner = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
        optimizer = _build(wrap(inner, initial_scale=8.0), variables)
        for number in range(5):
            bad = number == 1
            gradients = _spoiled(number, np.inf) if bad else _gradients(number)
            optimizer.apply_gradients(zip(gradients, variables))
        found.append([v.numpy() for v in variables])
    for a, b in zip(*found):
        np.testing.assert_array_equal(a, b)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
