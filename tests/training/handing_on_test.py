"""Tests that a run hands the settings of its experiment on."""

import dataclasses
import types

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.data import ArraySplit, DataConfig
from keras_vae.training import (
    RunFolder,
    first_weights,
    preparation,
    run,
    train,
    trained,
    trainer,
)
from keras_vae.training.checkpoint_files import SavedCheckpoint
from keras_vae.training.run import EVALUATION_BATCH_SIZE
from tests.training import experiments

_TRAINING = {
    "seed": 11,
    "jit_compile": "false",
    "keep_checkpoints": 7,
    "checkpoint_seconds": 12.5,
    "patience": 9,
    "max_minutes": 0.75,
}
_DATA = {"num_bits": 3, "horizontal_flip": True, "mutation_rate": 0.125}


class _ReachedError(Exception):
    pass


@pytest.fixture
def recorded(monkeypatch):
    """Returns the arguments of each call that is recorded, by its name."""
    calls = {}

    def record(module, name, result=None):
        real = getattr(module, name)

        def replacement(*arguments, **options):
            calls[name] = (arguments, options)
            if result is not None:
                raise result
            return real(*arguments, **options)

        monkeypatch.setattr(module, name, replacement)

    record(preparation, "training_batches", _ReachedError())
    record(preparation, "evaluation_batches")
    record(run, "BestWeights")
    record(run, "Clock")
    record(run, "Progress")
    record(trainer, "make_state")
    record(trained, "build_model")
    record(trainer, "Checkpoints")
    record(trainer, "resolve_jit")
    return calls


def _run(path, dataset, calls, **training):
    experiment = experiments.make_experiment(
        {**_TRAINING, **training}, _DATA, batch_size=4
    )
    with pytest.raises(_ReachedError):
        train(experiment, path, dataset=dataset)
    return calls


def test_settings_of_the_data_reach_the_batches(recorded, tmp_path, dataset):
    calls = _run(tmp_path, dataset, recorded)
    (split,), options = calls["training_batches"]
    assert split is dataset.splits["train"]
    assert options == {
        "batch_size": 4,
        "seed": 11,
        "start_step": 0,
        "num_steps": None,
        "binarization": "none",
        "dequantization": "uniform",
        "num_bits": 3,
        "horizontal_flip": True,
        "mutation_rate": 0.125,
        "with_labels": False,
    }
    (split,), options = calls["evaluation_batches"]
    assert split is dataset.splits["validation"]
    assert options == {
        "batch_size": EVALUATION_BATCH_SIZE,
        "binarization": "none",
        "dequantization": "uniform",
        "seed": 11,
        "num_bits": 3,
        "num_images": None,
        "with_labels": False,
    }


def test_a_run_of_epochs_ends_its_batches(recorded, tmp_path, dataset):
    _run(tmp_path, dataset, recorded, max_minutes=None, epochs=3)
    _, options = recorded["training_batches"]
    epoch = dataset.splits["train"].num_images // 4
    assert options["num_steps"] == 3 * epoch
    _, options = recorded["make_state"]
    assert options["total_steps"] == 3 * epoch


def test_settings_of_the_training_reach_the_run(recorded, tmp_path, dataset):
    calls = _run(tmp_path, dataset, recorded)
    _, options = calls["make_state"]
    assert options == {
        "likelihood": "normal_shared",
        "total_steps": None,
        "num_examples": dataset.splits["train"].num_images,
        "seed": 11,
        "precision": "float32",
        "num_bits": 3,
        "dequantization": "uniform",
        "class_names": (),
    }
    (_, folder, keep, seconds), _ = calls["Checkpoints"]
    assert (folder, keep, seconds) == (
        RunFolder(tmp_path).checkpoints,
        7,
        12.5,
    )
    (_, patience, _), _ = calls["BestWeights"]
    assert patience == 9
    (_, minutes), _ = calls["Clock"]
    (_, epoch, batch_size, shown), _ = calls["Progress"]
    assert minutes == shown == 0.75
    assert batch_size == 4
    assert epoch == dataset.splits["train"].num_images // 4
    assert calls["resolve_jit"] == (("false",), {})


def _made_run(dataset, step=0, waited=0, elapsed=0.0, epoch=17, **training):
    """Returns a run of 17 steps an epoch that is at a step."""
    state = types.SimpleNamespace(
        step=step,
        epochs_waited=tf.constant(waited),
        elapsed=tf.constant(elapsed),
        model=types.SimpleNamespace(num_classes=0),
    )
    experiment = experiments.make_experiment(training)
    return run.Run(
        experiment, experiment.prepare(), dataset, state, None, epoch
    )


@pytest.mark.parametrize(("epoch", "count"), [(17, 17), (80, 50)])
def test_statistics_are_of_the_next_batches(recorded, dataset, epoch, count):
    made = _made_run(dataset, step=5, epoch=epoch)
    with pytest.raises(_ReachedError):
        made._statistics_batches()
    _, options = recorded["training_batches"]
    assert (options["start_step"], options["num_steps"]) == (5, 5 + count)


def test_batch_of_a_step_is_that_step_alone(recorded, dataset):
    with pytest.raises(_ReachedError):
        _made_run(dataset, step=9)._batch_at(5)
    _, options = recorded["training_batches"]
    assert (options["start_step"], options["num_steps"]) == (5, 6)


@pytest.mark.parametrize(
    ("where", "training", "finished"),
    [
        ({"step": 50}, {"epochs": 3}, False),
        ({"step": 51}, {"epochs": 3}, True),
        ({"waited": 1}, {"patience": 2}, False),
        ({"waited": 2}, {"patience": 2}, True),
        ({"waited": 2}, {"patience": 0}, False),
        ({"step": 51, "elapsed": 29.0}, {"max_minutes": 0.5}, False),
        ({"elapsed": 30.0}, {"max_minutes": 0.5}, True),
    ],
)
def test_where_a_run_is_over(dataset, where, training, finished):
    assert _made_run(dataset, **where, **training)._finished() is finished


def test_mean_image_is_that_of_the_levels_that_are_kept(dataset):
    split = dataset.splits["train"]
    levels = (split.images // 2**5) / 7.0
    found = first_weights._mean_image(split, num_bits=3)
    np.testing.assert_allclose(found, levels.mean(axis=0), atol=1e-5)


def test_a_loaded_model_has_the_settings_of_its_run(
    tmp_path, recorded, monkeypatch
):
    experiment = experiments.make_experiment(
        {"seed": 11}, {"num_bits": 3}, num_classes="2"
    )
    folder = RunFolder(tmp_path)
    folder.start(experiment, (6, 5, 1), ["dark", "bright"])
    saved = SavedCheckpoint(str(tmp_path / "none"), 0, None, {})
    monkeypatch.setattr(trained, "_chosen", lambda *_: (saved, "last"))
    with pytest.raises(tf.errors.NotFoundError, match="none"):
        trained.load_trained(tmp_path)
    (config, shape), options = recorded["build_model"]
    assert (config, shape) == (experiment.model, (6, 5, 1))
    assert options == {
        "likelihood": "normal_shared",
        "seed": 11,
        "num_bits": 3,
        "dequantization": "uniform",
        "class_names": ("dark", "bright"),
    }


def test_every_setting_of_the_data_is_looked_at():
    """A new one must be added above, or here if it is read elsewhere."""
    read_elsewhere = {
        # By `load`, of images, splits and archives.
        "dataset",
        "data_dir",
        "manual_dir",
        "resize",
        "pad",
        "validation_size",
        "seed",
        # By `prepare`.
        "binarization",
        "dequantization",
    }
    names = {field.name for field in dataclasses.fields(DataConfig)}
    assert names == read_elsewhere | _DATA.keys()


def test_mean_image_of_many_images_is_the_mean_of_those_that_are_read(
    monkeypatch,
):
    monkeypatch.setattr(first_weights, "_IMAGES_FOR_MEAN", 20)
    split = ArraySplit(np.full([50, 2, 2, 1], 255, np.uint8))
    np.testing.assert_allclose(
        first_weights._mean_image(split, 8), 1.0, rtol=1e-6
    )


class _Fits(run.Run):
    """Writes down the steps of each `fit` instead of training."""

    def _validation(self):
        return None

    def _callbacks(self, checkpoints, validation, interruption):
        return []

    def _fit(self, steps, epochs, validation, callbacks):
        self.state.step += steps
        self.state.fits.append(steps)


@pytest.mark.parametrize(
    ("step", "fits"), [(0, [18]), (27, [9, 18]), (36, [18])]
)
def test_a_run_is_validated_where_it_would_have_been(
    dataset, step, fits, tmp_path
):
    """An epoch of 17 steps takes two executions of 9."""
    state = types.SimpleNamespace(
        step=step,
        epochs_waited=tf.constant(0),
        model=types.SimpleNamespace(steps_per_execution=9),
        fits=[],
    )
    experiment = experiments.make_experiment()
    continued: list[int] = []
    checkpoints = types.SimpleNamespace(
        save=None, continue_epoch=lambda: continued.append(step)
    )
    made = _Fits(experiment, None, dataset, state, RunFolder(tmp_path), 17)
    made.fit(checkpoints, [])
    assert state.fits == fits
    assert continued == [step] * (len(fits) - 1)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
