"""Tests of batch normalisation's statistics for averaged weights."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae import seeds
from keras_vae.networks.nvae import BatchNormalization
from keras_vae.training.average_statistics import AverageStatistics
from keras_vae.training.callbacks import Averages
from keras_vae.training.state import make_state
from tests.models.cases import IMAGE, binary_images, make_hierarchical
from tests.models.cases import make_nvae as make_model
from tests.training import experiments

_BATCH = 4


def _batches(num_images=12, seed=0):
    images = binary_images(num_images, seed)
    return tf.data.Dataset.from_tensor_slices(images).batch(_BATCH)


def _make_state(**model):
    state = make_state(
        experiments.make_nvae_experiment(**model).model,
        IMAGE,
        likelihood="bernoulli",
        total_steps=100,
        seed=0,
        precision="float32",
    )
    random = np.random.default_rng(0)
    if state.average_statistics is not None:
        for variable in state.guard.averages:
            variable.assign(random.normal(size=variable.shape, scale=0.3))
    return state


def _values(variables):
    return [variable.numpy() for variable in variables]


def _assert_equal(one, two):
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def _batch_by_batch(model, batches):
    """Returns the statistics of each batch alone, `[batch][variable]`."""
    norms = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, BatchNormalization)
    ]
    for norm in norms:
        norm.momentum = 0.0
    found = []
    for index, image in enumerate(batches):
        seed = seeds.fold_in(seeds.from_int(model.seed), index)
        model.infer(
            image, model.encode(image, training=True), seed, training=True
        )
        found.append(
            [
                variable.numpy().astype(np.float64)
                for norm in norms
                for variable in (norm.moving_mean, norm.moving_variance)
            ]
        )
    return found


def test_statistics_are_the_mean_over_the_batches():
    model = make_model(seed=3)
    statistics = AverageStatistics(model)
    assert len(statistics.statistics) > 10
    statistics.reestimate(_batches())
    found = _values(statistics.statistics)
    by_batch = _batch_by_batch(make_model(seed=3), _batches())
    assert len(by_batch) == 3
    for value, *terms in zip(found, *by_batch, strict=True):
        np.testing.assert_allclose(
            value, np.mean(terms, axis=0), rtol=1e-4, atol=1e-6
        )


def test_statistics_of_the_first_layer_by_hand():
    model = make_model()
    AverageStatistics(model).reestimate(_batches())
    norm = model.encoder.cells[0].norms[0]
    means, variances = [], []
    for image in _batches():
        sides = [[0, 0], [2, 2], [2, 2], [0, 0]]
        x = tf.pad(2.0 * image - 1.0, sides, constant_values=-1)
        x = model.encoder.stem(x).numpy().reshape(-1, 4)
        means.append(x.mean(axis=0))
        variances.append(x.var(axis=0, ddof=1))
    np.testing.assert_allclose(
        norm.moving_mean, np.mean(means, axis=0), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(
        norm.moving_variance, np.mean(variances, axis=0), rtol=1e-4
    )


def test_estimate_changes_nothing_else_and_forgets_what_was():
    model = make_model()
    statistics = AverageStatistics(model)
    own = {id(variable) for variable in statistics.statistics}
    others = [v for v in model.variables if id(v) not in own]
    before = _values(others)
    statistics.reestimate(_batches(seed=1))
    first = _values(statistics.statistics)
    statistics.reestimate(_batches(seed=2))
    assert np.any(statistics.statistics[0].numpy() != first[0])
    statistics.reestimate(_batches(seed=1))
    _assert_equal(_values(statistics.statistics), first)
    _assert_equal(_values(others), before)
    # Training goes on with the momentum that it had.
    assert model.encoder.cells[0].norms[0].momentum == 0.95


def test_validation_and_checkpoint_have_statistics_of_the_averages(tmp_path):
    state = _make_state()
    model, statistics = state.model, state.average_statistics
    trained = _values(model.variables)
    averages = Averages(state, _batches)
    averages.on_test_begin()
    # By hand: a model of the averaged weights.
    other = _make_state()
    for variable, average in zip(
        other.model.trainable_variables,
        other.guard.averages,
        strict=True,
    ):
        variable.assign(average.numpy())
    AverageStatistics(other.model).reestimate(_batches())
    expected = _values(other.model.variables)
    _assert_equal(_values(model.variables), expected)
    shown = _values(statistics.statistics)

    averages.on_epoch_end(0)
    _assert_equal(_values(model.variables), trained)
    _assert_equal(_values(statistics.averages), shown)
    path = _saved(state, tmp_path)
    state.swap_averages()
    _assert_equal(_values(model.variables), expected)

    assert not other.average_statistics.known.numpy()
    other.checkpoint().restore(path).assert_consumed()
    assert other.average_statistics.known.numpy()
    _assert_equal(_values(other.average_statistics.averages), shown)


def test_unknown_statistics_are_those_of_the_trained_weights():
    state = _make_state()
    statistics = state.average_statistics
    for index, variable in enumerate(statistics.statistics):
        variable.assign(tf.fill(variable.shape, 1.0 + index))
    before = _values(statistics.statistics)
    state.swap_averages()
    _assert_equal(_values(statistics.statistics), before)
    assert not statistics.known.numpy()


def test_without_averages_nothing_is_added(tmp_path):
    state = _make_state(ema_momentum=0.0)
    assert state.average_statistics is None
    names = dict(tf.train.list_variables(_saved(state, tmp_path)))
    assert not [name for name in names if "average" in name]
    assert not [name for name in names if "statistics" in name]
    before = _values(state.model.variables)
    Averages(state, pytest.fail).on_test_begin()
    _assert_equal(_values(state.model.variables), before)


def test_without_batch_normalisation_nothing_is_added():
    assert AverageStatistics(make_hierarchical()).averages == []
    state = make_state(
        experiments.make_hierarchical_experiment().model,
        (6, 6, 1),
        likelihood="bernoulli",
        total_steps=100,
        seed=0,
        precision="float32",
    )
    assert state.average_statistics is None


def _saved(state, folder):
    return state.checkpoint().save(str(folder / "ckpt"))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
