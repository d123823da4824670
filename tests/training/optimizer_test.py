"""Tests of Adam against Keras's own, and of what it does differently."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.training import Adam, make_strategy
from keras_vae.training.optimizer import LossScale

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
        _apply(_build(Adam(**arguments), ours), ours, 40),
        _apply(_build(keras.optimizers.Adam(**arguments), theirs), theirs, 40),
    )
    for mine, expected in pairs:
        for a, b in zip(mine, expected):
            # 40 steps of float32 rounding, in another order of operations.
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


def test_small_gradient_is_not_clipped():
    clipped, free = _variables(), _variables()
    pairs = zip(
        _apply(_build(Adam(0.1, max_norm=1e3), clipped), clipped, 3),
        _apply(_build(Adam(0.1), free), free, 3),
    )
    for mine, expected in pairs:
        for a, b in zip(mine, expected):
            np.testing.assert_allclose(a, b, rtol=1e-6)


def test_clips_the_global_norm():
    # Only the moments tell: Adam's step hardly depends on the scale.
    variables = _variables()
    optimizer = _build(Adam(0.1, beta_1=0.9, max_norm=0.5), variables)
    next(_apply(optimizer, variables, 1))
    gradients = [g.numpy() for g in _gradients(0)]
    norm = np.sqrt(sum(np.sum(np.square(g)) for g in gradients))
    assert norm > 0.5
    for moment, gradient in zip(optimizer._momentums, gradients):
        expected = 0.1 * gradient * 0.5 / norm
        np.testing.assert_allclose(moment.numpy(), expected, rtol=1e-5)


def test_clips_after_the_sum_over_replicas():
    strategy = make_strategy("mirrored")
    with strategy.scope():
        variable = keras.Variable(np.zeros(2), dtype="float32")
        optimizer = _build(Adam(0.1, beta_1=0.9, max_norm=1.0), [variable])
    # Each share has norm 3 or 4, their sum (3, 4) has norm 5.
    shares = tf.constant([[3.0, 0.0], [0.0, 4.0]])

    @tf.function
    def step():
        def replica():
            index = tf.distribute.get_replica_context().replica_id_in_sync_group
            optimizer.apply_gradients([(tf.gather(shares, index), variable)])

        strategy.run(replica)

    step()
    moment = optimizer._momentums[0].numpy()
    np.testing.assert_allclose(moment, 0.1 * np.array([0.6, 0.8]), rtol=1e-5)


def test_average_follows_its_ramp():
    variables = _variables()
    optimizer = _build(Adam(0.1, use_ema=True, ema_momentum=0.6), variables)
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
    optimizer = _build(Adam(0.1, use_ema=True), variables)
    *_, trained = _apply(optimizer, variables, 5)
    optimizer.finalize_variable_values(variables)
    for variable, value in zip(variables, trained):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_config_round_trip():
    optimizer = Adam(0.01, beta_2=0.99, max_norm=3.0, use_ema=True)
    config = keras.saving.serialize_keras_object(optimizer)
    restored = keras.saving.deserialize_keras_object(config)
    assert isinstance(restored, Adam)
    assert restored.max_norm == 3.0
    assert restored.get_config() == optimizer.get_config()


def test_amsgrad_is_refused():
    with pytest.raises(ValueError, match=r"amsgrad.*Received: True"):
        Adam(0.1, amsgrad=True)


def test_loss_scale_unscales_before_clipping():
    scaled, plain = _variables(), _variables()
    inner = Adam(0.1, max_norm=0.5, use_ema=True)
    wrapped = _build(LossScale(inner, initial_scale=1024.0), scaled)
    direct = _build(Adam(0.1, max_norm=0.5, use_ema=True), plain)
    pairs = zip(
        _apply(wrapped, scaled, 5, factor=1024.0), _apply(direct, plain, 5)
    )
    for mine, expected in pairs:
        for a, b in zip(mine, expected):
            np.testing.assert_allclose(a, b, rtol=1e-5)
    for a, b in zip(inner._momentums, direct._momentums):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5)


def test_loss_scale_counts_a_skipped_step():
    variables = _variables()
    before = [variable.numpy() for variable in variables]
    optimizer = _build(LossScale(Adam(0.1), initial_scale=1024.0), variables)
    for weights in _apply(optimizer, variables, 2, factor=np.inf):
        np.testing.assert_array_equal(weights[0], before[0])
    assert int(optimizer.iterations.numpy()) == 2
    assert float(optimizer.dynamic_scale.numpy()) == 256.0


def test_loss_scale_config_round_trip():
    optimizer = LossScale(Adam(0.01, max_norm=3.0))
    config = keras.saving.serialize_keras_object(optimizer)
    restored = keras.saving.deserialize_keras_object(config)
    assert isinstance(restored, LossScale)
    assert restored.inner_optimizer.max_norm == 3.0


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
