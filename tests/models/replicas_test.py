"""Two replicas take the step that one device would take, noise included."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import seeds
from keras_vae.training import Adam, Guard, make_strategy
from tests.models.cases import binary_images, make_model

NUM_STEPS = 3
BATCH = 8


def batches():
    return [binary_images(BATCH, seed=step) for step in range(NUM_STEPS)]


def halves(model, image, step):
    """Returns what each of two replicas infers in a training step."""
    base = seeds.fold_in(seeds.from_int(model.seed), step)
    return [
        model.infer(half, model.encode(half), seeds.fold_in(base, replica))
        for replica, half in enumerate(np.split(image, 2))
    ]


def by_hand(model, optimizer):
    """Trains on one device, on the mean loss of the two halves."""
    variables = model.trainable_variables
    norms = []
    for step, image in enumerate(batches()):
        with tf.GradientTape() as tape:
            parts = halves(model, image, step)
            # Free bits are those of each replica's share of the batch.
            floor = model.objective.free_bits
            kl = [tf.reduce_mean(p.kl_divergence) for p in parts]
            log_likelihood = tf.reduce_mean([p.log_likelihood for p in parts])
            loss = tf.reduce_mean(tf.maximum(kl, floor)) - log_likelihood
        gradients = tape.gradient(loss, [v.value for v in variables])
        norms.append(float(tf.linalg.global_norm(gradients)))
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return norms


def mirrored(optimizer_of, **kwargs):
    """Trains the same model with `fit` on two replicas."""
    strategy = make_strategy("mirrored")
    with strategy.scope():
        model = make_model(**kwargs)
        model.compile(optimizer=optimizer_of(), jit_compile=False)
    images = np.concatenate(batches())
    dataset = tf.data.Dataset.from_tensor_slices(images)
    dataset = dataset.batch(BATCH, drop_remainder=True)
    model.fit(dataset, epochs=1, shuffle=False, verbose=0)
    return model


def assert_same_weights(one, two):
    for a, b in zip(
        one.trainable_variables, two.trainable_variables, strict=True
    ):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-6)


# Epsilon is large: the size of the gradient counts, and not its sign alone.
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.05),
    "adam": lambda: Guard(Adam(0.01, epsilon=0.1)),
    "clipped": lambda: Guard(Adam(0.01, epsilon=0.1), max_norm=0.5),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_two_replicas_are_one(name):
    model = make_model()
    start = model.get_weights()
    norms = by_hand(model, OPTIMIZERS[name]())
    assert min(norms) > 0.5  # Clipping is active.
    assert any(
        np.abs(a - b).max() > 1e-4
        for a, b in zip(start, model.get_weights(), strict=True)
    )
    assert_same_weights(model, mirrored(OPTIMIZERS[name]))


def test_free_bits_are_those_of_each_replica():
    probe = make_model()
    kl = [
        float(tf.reduce_mean(part.kl_divergence))
        for part in halves(probe, batches()[0], 0)
    ]
    floor = float(np.mean(kl))  # At first only one replica is above it.
    assert min(kl) < floor < max(kl)
    model = make_model(objective={"free_bits": floor})
    by_hand(model, keras.optimizers.SGD(0.05))
    assert_same_weights(
        model,
        mirrored(
            lambda: keras.optimizers.SGD(0.05), objective={"free_bits": floor}
        ),
    )


def test_each_replica_weighs_its_own_draws():
    settings = {
        "objective": {
            "name": "importance_weighted",
            "num_samples": 3,
            "start": 0.5,  # Draws change within the run.
        },
        "total_steps": NUM_STEPS,
    }
    model = make_model(**settings)
    optimizer, variables = keras.optimizers.SGD(0.05), model.trainable_variables
    for step, image in enumerate(batches()):
        base = seeds.fold_in(seeds.from_int(model.seed), step)
        count = 1 if step < NUM_STEPS / 2 else 3
        with tf.GradientTape() as tape:
            losses = []
            for replica, half in enumerate(np.split(image, 2)):
                part = model.infer(
                    half,
                    model.encode(half),
                    seeds.fold_in(base, replica),
                    num_samples=count,
                )
                bound = tf.reduce_logsumexp(part.log_weight, 0) - np.log(count)
                losses.append(-part.elbo if count == 1 else -bound)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, [v.value for v in variables])
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
    assert_same_weights(
        model, mirrored(lambda: keras.optimizers.SGD(0.05), **settings)
    )


def test_logs_are_means_over_the_global_batch():
    def still():
        return keras.optimizers.SGD(0.0)

    model = mirrored(still)
    parts = [
        part
        for step, image in enumerate(batches())
        for part in halves(model, image, step)
    ]
    logs = model.get_metrics_result()
    for name in ("elbo", "log_likelihood", "kl_divergence"):
        expected = np.mean([getattr(part, name) for part in parts])
        assert float(logs[name]) == pytest.approx(expected, rel=1e-5)
    assert float(logs["loss"]) == pytest.approx(-float(logs["elbo"]), rel=1e-5)


def test_replicas_have_different_noise():
    one, two = halves(make_model(), np.tile(binary_images(4), [2, 1, 1, 1]), 0)
    z_one, z_two = one.groups[0].sample, two.groups[0].sample
    assert not np.isclose(z_one, z_two).any()


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
