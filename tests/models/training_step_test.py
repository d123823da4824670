"""Tests of the training step: what counts, what weighs, what is drawn."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import seeds
from keras_vae.objectives import (
    ELBO,
    ImportanceWeighted,
    KLWarmup,
    ObjectiveContext,
)
from keras_vae.training import Adam, Guard, LossScale, make_strategy
from tests.models.cases import binary_images, grey_images, make_model

BATCH = 4
STILL = {
    "sgd": lambda: keras.optimizers.SGD(0.0),
    "ours": lambda: Guard(Adam(0.0)),
}


def compiled(optimizer="sgd", model=None, **kwargs):
    model = make_model() if model is None else model
    model.compile(optimizer=optimizer, run_eagerly=True, **kwargs)
    return model


def autoencoder():
    return make_model("normal_fixed", model="autoencoder")


def fit(model, *data, **kwargs):
    return model.fit(
        *data, batch_size=BATCH, shuffle=False, verbose=0, **kwargs
    ).history


def pass_of(model, images, number, **condition):
    """Returns what a batch is in training, by hand."""
    seed = seeds.fold_in(seeds.from_int(model.seed), number)
    seed = seeds.fold_in(seed, 0)
    return model.infer(images, model.encode(images, **condition), seed)


def loss_of(model, images, number):
    return -pass_of(model, images, number).elbo.numpy()


def with_nan(count, *bad):
    images = binary_images(count)
    images[list(bad), 1, 1] = np.nan
    return images


# What is left out of the logs.


def test_nan_is_shown_where_no_step_is_skipped():
    stop = keras.callbacks.TerminateOnNaN()
    best = keras.callbacks.EarlyStopping(
        monitor="loss", patience=1, restore_best_weights=True
    )
    model = compiled(keras.optimizers.Adam(1e-3))
    images = with_nan(12, 5)
    history = fit(model, images, epochs=3, callbacks=[stop, best])
    assert np.isnan(history["loss"]).tolist() == [True]
    assert "skipped_steps" not in history
    logs = model.evaluate(images, verbose=0, return_dict=True)
    assert np.isnan(logs["loss"])


@pytest.mark.parametrize("wrap", [lambda optimizer: optimizer, LossScale])
def test_only_the_batch_of_a_skipped_step_is_left_out(wrap):
    images = with_nan(12, 5)
    model = compiled(wrap(Guard(Adam(0.0))))
    stop = keras.callbacks.TerminateOnNaN()
    history = fit(
        model, images, epochs=2, callbacks=[stop], validation_data=images[:4]
    )
    expected = [
        np.mean(
            [loss_of(model, images[4 * i :][:4], 3 * e + i) for i in (0, 2)]
        )
        for e in range(2)
    ]
    np.testing.assert_allclose(history["loss"], expected, rtol=1e-5)
    assert history["skipped_steps"] == [1, 1]
    assert not any("val_skipped" in name for name in history)
    logs = model.evaluate(images[:4], verbose=0, return_dict=True)
    assert logs.keys() == {"loss", *model.METRICS}
    assert np.isfinite(list(logs.values())).all()


def test_there_is_no_mean_where_all_steps_were_skipped():
    history = fit(compiled(Guard(Adam(0.0))), with_nan(4, 1))
    assert np.isnan([history["loss"][0], history["elbo"][0]]).all()
    assert history["skipped_steps"] == [1]


def test_all_of_a_step_that_is_applied_counts():
    model = make_model()
    values = model.metric_values

    def with_nan_in_first(inference):
        found = values(inference)
        nan = tf.one_hot(0, BATCH, np.nan, 0.0)
        return {**found, "kl_divergence": found["kl_divergence"] + nan}

    model.metric_values = with_nan_in_first
    history = fit(compiled(Guard(Adam(0.0)), model), binary_images(8))
    assert np.isnan(history["kl_divergence"][0])
    assert np.isfinite(history["loss"][0])
    assert history["skipped_steps"] == [0]


class _NaNLoss:
    """A loss that is NaN, with a gradient that is finite."""

    def __call__(self, inference, context):
        return np.nan - inference.elbo

    def draws(self, step):
        return None


def test_a_loss_that_is_nan_is_seen_without_its_gradient():
    images = binary_images(4)
    before = make_model().get_weights()
    for optimizer in (Guard(Adam(0.1)), keras.optimizers.SGD(0.1)):
        model = make_model()
        model.objective = _NaNLoss()
        history = fit(compiled(optimizer, model), images)
        assert np.isnan(history["loss"][0])
        moved = [
            np.abs(a - b).max() for a, b in zip(before, model.get_weights())
        ]
        assert np.isfinite(moved).all()
        # Keras takes the step, whose gradient is finite; ours does not.
        assert (max(moved) > 0) == isinstance(optimizer, keras.optimizers.SGD)
        assert history.get("skipped_steps") in (None, [1])


def test_replicas_skip_one_step_together():
    images = with_nan(16, 5)  # Of the second replica's share.
    with make_strategy("mirrored").scope():
        model = make_model()
        model.compile(optimizer=Guard(Adam(0.0)), jit_compile=False)
    history = model.fit(images, batch_size=8, shuffle=False, verbose=0).history
    expected = loss_of(model, images[8:], 1)
    assert history["skipped_steps"] == [1]
    assert history["loss"][0] == pytest.approx(np.mean(expected), rel=1e-5)


def test_a_skipped_update_leaves_out_no_batch_of_the_next_one():
    model = compiled(Guard(Adam(0.0), gradient_accumulation_steps=2))
    images = with_nan(16, 5)
    history = fit(model, images)
    used = [loss_of(model, images[4 * i :][:4], i) for i in (0, 2, 3)]
    assert history["loss"][0] == pytest.approx(np.mean(used), rel=1e-5)
    assert history["skipped_steps"] == [1]


@pytest.mark.parametrize(
    ("bad", "wrap"),
    [
        (0, lambda optimizer: optimizer),
        (1, LossScale),
        (3, LossScale),
        (5, lambda optimizer: optimizer),
    ],
)
def test_an_update_with_a_bad_batch_is_one_skipped_step(bad, wrap):
    """Of the updates 0, 1, 2 | 3, 4, 5 the one with NaN is left out whole."""
    images = binary_images(4 * 6)
    images[4 * bad, 1, 1] = np.nan
    optimizer = Guard(Adam(0.01), gradient_accumulation_steps=3)
    model = compiled(wrap(optimizer))
    history = fit(model, images)
    good, twin, first = 3 * (bad < 3), make_model(), make_model()
    other = Guard(Adam(0.01))
    other.build(twin.trainable_variables)
    variables = [v.value for v in twin.trainable_variables]
    with tf.GradientTape() as tape:
        means = [
            -tf.reduce_mean(pass_of(twin, images[4 * i :][:4], i).elbo)
            for i in range(good, good + 3)
        ]
        loss = tf.add_n(means) / 3.0
    gradients = tape.gradient(loss, variables)
    other.apply_gradients(zip(gradients, twin.trainable_variables))
    for a, b in zip(model.get_weights(), twin.get_weights()):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert history["skipped_steps"] == [1]
    assert int(optimizer.skipped_steps.numpy()) == 1
    # Shown are all batches but the bad one and the last of its update, as the
    # model was at each.
    last_bad = 2 if bad < 3 else 5
    shown = []
    for i in range(6):
        if i not in (bad, last_bad):
            before = first if i < 3 or bad < 3 else twin
            shown.append(loss_of(before, images[4 * i :][:4], i).mean())
    assert history["loss"][0] == pytest.approx(np.mean(shown), rel=1e-4)
    assert np.isfinite([values[0] for values in history.values()]).all()


# Weights.


class _Plain(keras.Model):
    """A plain Keras model with the maths of the autoencoder."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, images):
        # As it is: `reconstruct` shows an image, in [0, 1].
        return self.inner.decoder(self.inner.encode(images)).mean()


def _squared_error(y, prediction):
    return keras.ops.sum(keras.ops.square(y - prediction), axis=(1, 2, 3))


_WEIGHTS = np.linspace(0.0, 3.0, 10).astype("float32") ** 2
_LABELS = np.arange(10) % 3
_CLASS_WEIGHT = {0: 0.0, 2: 4.0}  # Class 1 is not in it: 1.


@pytest.mark.parametrize("kind", ["sample", "class", "dataset", "column"])
def test_weights_are_those_of_keras(kind):
    images = grey_images(10)
    weights = _WEIGHTS
    if kind == "class":
        weights = np.array([_CLASS_WEIGHT.get(y, 1.0) for y in _LABELS])
    plain, model = _Plain(autoencoder()), autoencoder()
    plain.compile(
        keras.optimizers.SGD(0.01),
        loss=_squared_error,
        weighted_metrics=[_squared_error],
        run_eagerly=True,
    )
    compiled(keras.optimizers.SGD(0.01), model)
    expected = fit(
        plain,
        images,
        images,
        sample_weight=weights,
        epochs=2,
        validation_data=(images, images, weights),
    )
    if kind == "class":
        found = fit(
            model,
            images,
            _LABELS,
            class_weight=_CLASS_WEIGHT,
            epochs=2,
            validation_data=(images, _LABELS, weights),
        )
    elif kind == "dataset":
        data = tf.data.Dataset.from_tensor_slices((images, images, weights))
        found = model.fit(
            data.batch(BATCH),
            epochs=2,
            shuffle=False,
            verbose=0,
            validation_data=data.batch(BATCH),
        ).history
    else:
        if kind == "column":
            weights = weights[:, np.newaxis]
        found = fit(
            model,
            images,
            sample_weight=weights,
            epochs=2,
            validation_data=(images, None, weights),
        )
    for ours, theirs in (
        ("loss", "loss"),
        ("squared_error", "_squared_error"),
        ("val_loss", "val_loss"),
        ("val_squared_error", "val__squared_error"),
    ):
        np.testing.assert_allclose(found[ours], expected[theirs], rtol=1e-5)
    for a, b in zip(model.get_weights(), plain.inner.get_weights()):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_evaluate_weighs_the_images():
    model, images = compiled(), binary_images(8)
    weights = np.eye(8, dtype="float32")[0]
    seed = seeds.fold_in(seeds.fold_in(seeds.from_int(model.seed), 0), 0)
    first = -model.infer(images, model.encode(images), seed).elbo.numpy()[0]
    found = model.evaluate(
        images, sample_weight=weights, batch_size=8, verbose=0, return_dict=True
    )
    assert found["loss"] == pytest.approx(first / 8, rel=1e-5)
    assert found["elbo"] == pytest.approx(-first, rel=1e-5)


def test_importance_weighted_bounds_are_weighed_too():
    model, images = make_model(), binary_images(4)
    model.objective = ImportanceWeighted(3)
    weights = np.array([0.0, 1.0, 2.0, 5.0], "float32")
    history = fit(compiled("sgd", model), images, sample_weight=weights)
    fresh = make_model()
    seed = seeds.fold_in(seeds.fold_in(seeds.from_int(fresh.seed), 0), 0)
    inference = fresh.infer(images, fresh.encode(images), seed, 3)
    losses = model.objective(inference, ObjectiveContext(0))
    expected = np.mean(weights * losses)
    assert history["loss"][0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("objective", "couples"),
    [
        (ELBO(free_bits=0.5), True),
        (ELBO(KLWarmup(1.0, 0.5, 100), balance=True), True),
        (ELBO(balance=True), False),  # Without a warm-up it does nothing.
        (ImportanceWeighted(1, ELBO(free_bits=0.5)), True),
        (ImportanceWeighted(2, ELBO(free_bits=0.5)), False),
    ],
)
def test_weights_are_refused_where_a_loss_is_that_of_a_batch(
    objective, couples
):
    model, images = make_model(), binary_images(4)
    model.objective = objective
    compiled("sgd", model)
    assert objective.couples_images == couples
    for call in (model.fit, model.evaluate):
        if couples:
            with pytest.raises(ValueError, match="weights with"):
                call(images, sample_weight=np.ones(4), verbose=0)
        else:
            call(images, sample_weight=np.ones(4), verbose=0)


@pytest.mark.parametrize(
    "name", ["loss", "metrics", "weighted_metrics", "loss_weights"]
)
def test_another_loss_or_metric_is_refused(name):
    with pytest.raises(ValueError, match=f"`{name}` must be left out"):
        make_model().compile("adam", **{name: ["mse"]})


# Steps.


def test_batches_of_an_update_have_noise_of_their_own():
    optimizer = keras.optimizers.SGD(0.0, gradient_accumulation_steps=2)
    model, images = compiled(optimizer), binary_images(4)
    for number in range(4):
        (loss,) = fit(model, images)["loss"]
        expected = np.mean(loss_of(model, images, number))
        assert loss == pytest.approx(expected, rel=1e-5)


def test_accumulated_batches_are_one_large_batch():
    images = grey_images(8)
    one, many = autoencoder(), autoencoder()
    compiled(keras.optimizers.SGD(0.02), one)
    accumulating = keras.optimizers.SGD(0.02, gradient_accumulation_steps=2)
    fit(compiled(accumulating, many), images)
    one.fit(images, batch_size=8, verbose=0)
    for a, b in zip(one.get_weights(), many.get_weights()):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("parts", [1, 2])
def test_the_model_is_told_whether_it_trains(parts):
    model, told = make_model(), []
    model.batch_parts = parts
    encode, infer = model.encode, model.infer

    def watched_encode(*args, training=False, **kwargs):
        told.append(training)
        return encode(*args, training=training, **kwargs)

    def watched_infer(*args, training=False, **kwargs):
        told.append(training)
        return infer(*args, training=training, **kwargs)

    model.encode, model.infer = watched_encode, watched_infer
    images = binary_images(4)
    fit(compiled(model=model), images)
    assert told == [True] * (2 * parts)
    told.clear()
    model.evaluate(images, verbose=0)
    assert told == [False] * 2


@pytest.mark.parametrize("parts", [1, 2])
def test_each_part_of_a_batch_has_its_own_classes(parts):
    model = make_model(class_names=("a", "b"), num_classes="auto")
    random = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign_add(random.normal(size=variable.shape))
    compiled(keras.optimizers.SGD(0.0), model)
    model.batch_parts = parts
    images, label = binary_images(4), np.array([0, 0, 1, 1])
    (loss,) = fit(model, images, label)["loss"]
    seed = seeds.fold_in(seeds.fold_in(seeds.from_int(model.seed), 0), 0)
    expected = []
    for index in range(parts):
        rows = slice(4 // parts * index, 4 // parts * (index + 1))
        key = seed if parts == 1 else seeds.fold_in(seed, index)
        encoding = model.encode(images[rows], label=label[rows])
        expected.append(-model.infer(images[rows], encoding, key).elbo)
    assert loss == pytest.approx(np.mean(expected), rel=1e-5)


def test_parts_of_a_batch_have_their_own_weights():
    whole, parted = autoencoder(), autoencoder()
    parted.batch_parts = 2
    for model in (whole, parted):
        compiled(keras.optimizers.SGD(0.01), model)
        fit(model, grey_images(4), sample_weight=np.array([0.0, 1.0, 2.0, 5.0]))
    for a, b in zip(whole.get_weights(), parted.get_weights()):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize(
    ("mode", "parts"),
    [("eager", 4), ("graph", 2), ("xla", 4), ("mirrored", 3)],
)
def test_parts_need_not_be_equal(mode, parts):
    """Also where the last batch has fewer images than there are parts."""
    images, weights = grey_images(13), np.linspace(0.0, 3.0, 13)
    whole, parted = autoencoder(), None
    compiled(keras.optimizers.SGD(0.01), whole)
    strategy = tf.distribute.get_strategy()
    if mode == "mirrored":
        strategy = make_strategy("mirrored")
    with strategy.scope():
        parted = autoencoder()
        parted.batch_parts = parts
        parted.compile(
            keras.optimizers.SGD(0.01),
            run_eagerly=mode == "eager",
            jit_compile=mode == "xla",
        )
    logs = [
        model.fit(
            images,
            sample_weight=weights,
            batch_size=6,  # 6, 6, 1.
            epochs=2,
            shuffle=False,
            verbose=0,
        ).history
        for model in (whole, parted)
    ]
    for name, values in logs[0].items():
        np.testing.assert_allclose(logs[1][name], values, rtol=1e-5)
    for a, b in zip(whole.get_weights(), parted.get_weights()):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_unequal_parts_have_noise_of_their_own():
    model, images = make_model(), binary_images(5)
    parted = compiled()
    parted.batch_parts = 3  # Of 2, 2 and 1 images.
    loss = parted.train_on_batch(images, return_dict=True)["loss"]
    seed = seeds.fold_in(seeds.fold_in(seeds.from_int(model.seed), 0), 0)
    losses = []
    for index, part in enumerate((images[:2], images[2:4], images[4:])):
        key = seeds.fold_in(seed, index)
        losses += [*-model.infer(part, model.encode(part), key).elbo]
    expected = np.mean(losses)
    assert loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("make", [lambda: "sgd", lambda: Guard(Adam(0.1))])
def test_a_frozen_model_is_fitted_as_in_keras(make):
    model, images = make_model(), binary_images(8)
    model.trainable = False
    before = model.get_weights()
    compiled(make(), model)
    with pytest.warns(UserWarning, match="not have any trainable weights"):
        history = fit(model, images)
    assert np.isfinite(history["loss"][0])
    for a, b in zip(before, model.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_a_frozen_part_stays():
    model = make_model()
    model.encoder.trainable = False
    before = model.encoder.get_weights(), model.decoder.get_weights()
    fit(compiled(Guard(Adam(0.1)), model), binary_images(8))
    for a, b in zip(before[0], model.encoder.get_weights()):
        np.testing.assert_array_equal(a, b)
    assert any(
        np.abs(a - b).max() > 1e-3
        for a, b in zip(before[1], model.decoder.get_weights())
    )


@pytest.mark.parametrize("count", [1, 9])
def test_shares_of_replicas_need_not_be_equal(count):
    """The loss is the mean over the images of all replicas."""
    images = binary_images(count)

    def optimizer():
        return keras.optimizers.SGD(0.05)

    with make_strategy("mirrored").scope():
        mirrored = make_model()
        mirrored.compile(optimizer=optimizer(), jit_compile=False)
    history = mirrored.fit(
        images, batch_size=8, shuffle=False, verbose=0
    ).history
    model, sgd, losses = make_model(), optimizer(), []
    variables = [v.value for v in model.trainable_variables]
    for number in range(-(-count // 8)):
        batch = images[8 * number :][:8]
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(pass_of(model, batch, number).elbo)
        losses += [float(loss)] * len(batch)
        sgd.apply_gradients(zip(tape.gradient(loss, variables), variables))
    assert history["loss"][0] == pytest.approx(np.mean(losses), rel=1e-5)
    for a, b in zip(mirrored.get_weights(), model.get_weights()):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    found = mirrored.evaluate(images, batch_size=8, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(-found["elbo"], rel=1e-5)
    assert found["log_likelihood"] - found["kl_divergence"] == pytest.approx(
        found["elbo"], rel=1e-5
    )


def test_weights_of_unequal_shares_weigh_alike():
    images = grey_images(9)
    models = [autoencoder()]
    with make_strategy("mirrored").scope():
        models.append(autoencoder())
        models[1].compile(keras.optimizers.SGD(0.01), jit_compile=False)
    compiled(keras.optimizers.SGD(0.01), models[0])
    logs = [
        model.fit(
            images,
            sample_weight=_WEIGHTS[1:],
            batch_size=8,
            shuffle=False,
            verbose=0,
        ).history
        for model in models
    ]
    for name, values in logs[0].items():
        np.testing.assert_allclose(values, logs[1][name], rtol=1e-5)
    for a, b in zip(models[0].get_weights(), models[1].get_weights()):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"run_eagerly": True},
        {"jit_compile": False},
        {"jit_compile": True},
        {"jit_compile": False, "steps_per_execution": 3},
    ],
)
def test_steps_are_the_same_however_they_are_run(options):
    # Without noise: XLA's random numbers are others.
    plain, model, images = _Plain(autoencoder()), autoencoder(), grey_images(12)
    plain.compile(
        keras.optimizers.SGD(0.01), loss=_squared_error, run_eagerly=True
    )
    model.compile(keras.optimizers.SGD(0.01), **options)
    expected = fit(plain, images, images)["loss"]
    found = fit(model, images)["loss"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_batches_of_an_evaluation_have_noise_of_their_own():
    """Its seed is of the images so far, and the same each time."""
    model = compiled()
    images = np.concatenate([binary_images(4)] * 2)
    expected = [
        loss_of(model, images[first:][:4], first).mean() for first in (0, 4)
    ]
    assert abs(expected[0] - expected[1]) > 1e-3
    for _ in range(2):
        found = model.evaluate(
            images, batch_size=4, verbose=0, return_dict=True
        )["loss"]
        np.testing.assert_allclose(found, np.mean(expected), rtol=1e-5)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
