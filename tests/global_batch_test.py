"""Tests of what a replica has of the global batch."""

import dataclasses
import threading

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import global_batch, seeds
from keras_vae.global_batch import Share, sharing
from keras_vae.training import make_strategy
from tests.models.cases import binary_images, make_hierarchical, make_model

TOTAL = 7
SEED = (3, 5)


def share(offset, rows, size=None, parts=1):
    total = tf.constant(TOTAL)
    size = rows if size is None else size
    return Share(rows, size, offset, total, total, parts)


def normal(shape, seed):
    return tf.random.stateless_normal([*shape, 2], seeds.fold_in(seed, 4))


@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("parts", [1, 3])
def test_a_share_of_noise_is_of_its_rows(copies, parts):
    # As one replica draws: for each part from a seed of its own.
    sizes = global_batch.part_sizes(TOTAL, parts)
    assert sum(sizes) == TOTAL
    seed = tf.constant(SEED)
    whole = [
        tf.reshape(
            global_batch.draw(
                normal,
                seed if parts == 1 else seeds.fold_in(seed, i),
                copies * size,
            ),
            [copies, size, 2],
        )
        for i, size in enumerate(sizes)
    ]
    whole = np.concatenate(whole, axis=1)
    for offset, rows in ((0, 4), (4, 3), (2, 1)):
        with sharing(share(offset, rows, parts=parts)):
            own = global_batch.draw(normal, seed, copies * rows)
        expected = whole[:, offset : offset + rows].reshape(-1, 2)
        np.testing.assert_array_equal(own, expected)


def test_rows_that_fill_a_share_up_have_noise_too():
    with sharing(share(TOTAL, 0, size=1)):
        own = global_batch.draw(normal, tf.constant(SEED), 1)
    assert own.shape == [1, 2]
    assert np.isfinite(own).all()


@pytest.mark.parametrize("posterior", ["diagonal", "full", "iaf"])
@pytest.mark.parametrize("draws", [None, 3])
def test_latents_of_a_share_are_those_of_its_rows(posterior, draws):
    model = make_model(posterior=posterior)
    assert_draws_of_its_rows(model, draws)


@pytest.mark.parametrize("draws", [None, 3])
def test_latents_of_a_hierarchy_are_those_of_its_rows(draws):
    assert_draws_of_its_rows(make_hierarchical(), draws)


def assert_draws_of_its_rows(model, draws):
    image = binary_images(TOTAL)

    def latents(image):
        pass_ = model.infer(image, model.encode(image), SEED, draws)
        return [group.sample for group in pass_.groups]

    whole = latents(image)
    with sharing(share(4, 3)):
        own = latents(image[4:])
    for a, b in zip(whole, own, strict=True):
        expected = a[4:] if draws is None else a[:, 4:]
        np.testing.assert_allclose(b, expected, rtol=1e-4, atol=1e-5)


def test_a_posterior_that_is_no_gaussian_draws_for_itself():
    model = make_model()
    image = binary_images(3)
    q = model.encode(image)
    laplace = tfd.Independent(tfd.Laplace(q.mean(), q.stddev()), 1)
    with sharing(share(4, 3)):
        z = model.infer(image, laplace, SEED).groups[0].sample
    assert z.shape == [3, 3]


def test_xla_compiles_draws_of_equal_shares():
    """The place is a number of the run, the shapes are constants."""

    @tf.function(jit_compile=True)
    def own(offset, total):
        with sharing(Share(2, 2, offset, total, 8)):
            return global_batch.draw(normal, tf.constant(SEED), 2)

    @tf.function(jit_compile=True)
    def whole():
        return global_batch.draw(normal, tf.constant(SEED), 8)

    expected = whole()
    for offset in (0, 2, 6):
        found = own(tf.constant(offset), tf.constant(8))
        np.testing.assert_array_equal(found, expected[offset : offset + 2])
    # Of shares that differ none can know how many rows there are.
    assert not np.isclose(
        own(tf.constant(0), tf.constant(7)), expected[:2]
    ).any()


def test_a_share_is_of_its_thread_and_ends():
    seen = []
    with sharing(share(0, 4)):
        inner = share(4, 3)
        with sharing(inner):
            assert global_batch.current_share() is inner
            thread = threading.Thread(
                target=lambda: seen.append(global_batch.current_share())
            )
            thread.start()
            thread.join()
        assert global_batch.current_share().rows == 4
    assert seen == [None]
    assert global_batch.current_share() is None


# Two replicas with 4 and 3 of the rows, the second with one more that fills it.


def on_two(function, value):
    """Returns what `function` gives for each share, and its gradient."""
    strategy = make_strategy("mirrored")

    def replica():
        context = tf.distribute.get_replica_context()
        index = int(context.replica_id_in_sync_group)
        rows = (4, 3)[index]
        own = tf.concat([value[4 * index :], value[:1]], 0)[:4]
        with (
            tf.GradientTape() as tape,
            sharing(global_batch.share_of(tf.constant(rows), 4)),
        ):
            tape.watch(own)
            found = function(own)
        gradient = tape.gradient(found, own)
        return dataclasses.astuple(global_batch.share_of(rows, 4)), (
            found,
            gradient,
        )

    shares, results = strategy.run(replica)
    local = strategy.experimental_local_results
    both = [
        [value[i] for value in map(local, tf.nest.flatten(results))]
        for i in range(2)
    ]
    places = [[int(local(shares[k])[i]) for k in (0, 2, 3)] for i in range(2)]
    assert places == [[4, 0, TOTAL], [3, 4, TOTAL]]
    return both


def test_means_are_of_the_global_batch():
    value = tf.constant(np.random.default_rng(0).normal(size=TOTAL), tf.float32)
    mean = float(tf.reduce_mean(value))

    def cubed(own):
        return global_batch.means([own, 2.0 * own])[0] ** 3

    for index, (found, gradient) in enumerate(on_two(cubed, value)):
        assert float(found) == pytest.approx(mean**3, rel=1e-5)
        # Both replicas minimise it, and so twice its gradient is right.
        expected = np.full(4, 2 * 3 * mean**2 / TOTAL)
        expected[(4, 3)[index] :] = 0.0
        np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_gathered_rows_are_those_of_the_global_batch():
    value = np.random.default_rng(0).normal(size=(TOTAL, 2))
    value = tf.constant(value, tf.float32)
    results = on_two(
        lambda own: tf.reduce_sum(global_batch.gather(own) ** 3), value
    )
    for index, (found, gradient) in enumerate(results):
        assert float(found) == pytest.approx(
            float(tf.reduce_sum(value**3)), rel=1e-5
        )
        rows = (4, 3)[index]
        expected = np.zeros([4, 2])
        expected[:rows] = 2 * 3 * value[4 * index :][:rows] ** 2
        np.testing.assert_allclose(gradient, expected, rtol=1e-5)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
