"""Tests that a run hands on to its batches what it was asked for."""

import dataclasses
import types

import numpy as np
import pytest

from keras_vae.data import (
    ArraySplit,
    ImageDataset,
    evaluation_batches,
    training_batches,
)
from keras_vae.training import RunFolder
from keras_vae.training.run import Run
from tests.training import experiments

_PLAIN = {"binarization": "none", "dequantization": "none"}
_SETTINGS = [
    {"num_bits": 3},
    {"horizontal_flip": True},
    {"mutation_rate": 0.3},
    {"dequantization": "uniform"},
    {"dequantization": "uniform", "num_bits": 5},
    {"binarization": "dynamic"},
    {"binarization": "static"},
    {"seed": 7, "binarization": "dynamic"},
    {"batch_size": 5},
    {"with_labels": True},
]


def _make_run(tmp_path, settings):
    data = {
        name: settings[name]
        for name in ("num_bits", "horizontal_flip", "mutation_rate")
        if name in settings
    }
    model = {n: settings[n] for n in ("batch_size",) if n in settings}
    training = {n: settings[n] for n in ("seed",) if n in settings}
    experiment = experiments.make_experiment(training, data, **model)
    decided = {name: settings.get(name, _PLAIN[name]) for name in _PLAIN}
    random = np.random.RandomState(0)
    splits = {
        name: ArraySplit(
            random.randint(0, 256, (size, 6, 6, 1), np.uint8),
            random.randint(0, 10, size),
        )
        for name, size in (("train", 20), ("validation", 600))
    }
    num_classes = 10 if settings.get("with_labels") else 0
    state = types.SimpleNamespace(
        model=types.SimpleNamespace(num_classes=num_classes), step=0
    )
    return Run(
        experiment,
        dataclasses.replace(experiment.prepare(), **decided),
        ImageDataset("mnist_5k", (6, 6, 1), None, splits),
        state,
        RunFolder(tmp_path),
        epoch=2,
    )


def _flat(batches):
    """Returns all arrays of some batches in one row of numbers."""
    parts = [
        np.ravel(part)
        for batch in batches.as_numpy_iterator()
        for part in (batch if isinstance(batch, tuple) else (batch,))
    ]
    return np.concatenate(parts)


def _same(a, b):
    return a.shape == b.shape and np.array_equal(a, b)


@pytest.mark.parametrize("settings", _SETTINGS, ids=str)
def test_training_batches_are_those_asked_for(tmp_path, settings):
    run = _make_run(tmp_path, settings)
    split = run.dataset.splits["train"]
    plain = {"batch_size": experiments.BATCH_SIZE, "seed": 0, **_PLAIN}

    def expect(settings):
        asked = {**plain, **settings}
        return _flat(
            training_batches(split, start_step=3, num_steps=6, **asked)
        )

    found = _flat(run._batches(3, 6))
    assert _same(found, expect(settings))
    # Each of them matters: without it the batches are others.
    for name in settings:
        less = {n: value for n, value in settings.items() if n != name}
        assert not _same(found, expect(less))


@pytest.mark.parametrize(
    "settings",
    [s for s in _SETTINGS if not {"batch_size", "mutation_rate"} & s.keys()],
    ids=str,
)
def test_validation_batches_are_those_asked_for(tmp_path, settings):
    run = _make_run(tmp_path, settings)
    split = run.dataset.splits["validation"]
    # Evaluation mirrors nothing.
    asked = {n: v for n, v in settings.items() if n != "horizontal_flip"}

    def expect(settings):
        plain = {"batch_size": 500, "seed": 0, **_PLAIN}
        return _flat(evaluation_batches(split, **{**plain, **settings}))

    found = _flat(run._validation())
    assert _same(found, expect(asked))
    for name in asked:
        less = {n: value for n, value in asked.items() if n != name}
        assert not _same(found, expect(less))


def test_batch_of_a_step_and_those_of_the_statistics(tmp_path):
    run = _make_run(tmp_path, {"binarization": "dynamic"})
    expected = list(run._batches(0, 4).as_numpy_iterator())
    for step in range(4):
        np.testing.assert_array_equal(run._batch_at(step), expected[step])
    run.state.step = 1
    found = list(run._statistics_batches().as_numpy_iterator())
    np.testing.assert_array_equal(found, expected[1:3])


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
