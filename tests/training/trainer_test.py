"""Tests of `train` and `load_trained`, and of what they refuse."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from keras_vae.config import (
    AutoencoderConfig,
    DenseConfig,
)
from keras_vae.data import evaluation_batches
from keras_vae.errors import UserError
from keras_vae.training import (
    DivergedError,
    RunFolder,
    callbacks,
    load_trained,
    run_record,
    train,
    trainer,
)
from keras_vae.training.state import make_state
from keras_vae.units import NATS
from tests.training import experiments


@pytest.mark.parametrize(
    ("training", "data", "model", "message"),
    [
        ({}, {"dataset": "minst"}, {}, "Did you mean"),
        ({}, {}, {"batch_size": 4001}, "batch_size=4000 or less.*=4001"),
        ({}, {"binarization": "none"}, {"likelihood": "bernoulli"}, "binary"),
        (
            {"distribution": "mirrored"},
            {},
            {"batch_size": 7},
            "number of replicas, 2.*batch_size=7",
        ),
        ({}, {"resize": (6, 6)}, {"architecture": {"name": "residual",
         "filters": (4, 4, 4), "num_blocks": (0, 0, 0)}}, "Received"),
        ({}, {}, {"architecture": {"activation": "elo"}}, "activation.*elo"),
    ],
)  # fmt: skip
def test_nothing_is_left_of_what_cannot_run(
    tmp_path, digits_dir, training, data, model, message
):
    data = {"data_dir": str(digits_dir), **data}
    experiment = experiments.make_experiment(training, data, **model)
    with pytest.raises(UserError, match=message):
        train(experiment, tmp_path / "runs" / "run")
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_written(tmp_path, dataset):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        train(
            experiments.make_experiment(),
            tmp_path / "file" / "run",
            dataset=dataset,
        )


def test_a_setting_that_changes_nothing_is_said(tmp_path, dataset, capsys):
    def ends(logs):
        raise ConnectionError

    experiment = experiments.make_experiment(objective={"kl_balancing": True})
    end = keras.callbacks.LambdaCallback(on_train_begin=ends)
    with pytest.raises(ConnectionError):
        train(experiment, tmp_path / "run", dataset=dataset, callbacks=[end])
    assert (
        "note: changes nothing in this run: config.objective.kl_balancing, "
        "where there is one latent group\n"
    ) in capsys.readouterr().err


def test_run_in_use_is_refused(finished_run, dataset):
    with pytest.raises(UserError, match="already holds a run"):
        train(
            finished_run.experiment,
            finished_run.path,
            resume=False,
            dataset=dataset,
        )


def test_summary(finished_run):
    summary = dict(finished_run.result.summary)
    written = json.loads(RunFolder(finished_run.path).results.path.read_text())
    assert written["training"] == summary
    assert finished_run.result.interrupted is None
    assert 0 < summary.pop("minutes") < 5
    assert summary == {
        "steps": 68,
        "epochs": 4.0,
        "num_parameters": summary["num_parameters"],
        "jit_compile": False,
        "num_replicas": 1,
        "batch_parts": 1,
        "binarization": "dynamic",
        "dequantization": "none",
        "likelihood": "bernoulli",
        "unit": NATS,
        "precision": "float32",
        "best_step": 68,
        "best_val_loss": summary["best_val_loss"],
        "weights": "last",
        "weights_step": 68,
    }


def test_checkpoints_are_rotated(finished_run):
    folder = RunFolder(finished_run.path).checkpoints
    names = {path.name for path in folder.glob("*.index")}
    # A checkpoint before each execution of 9 steps, the last one of 5.
    assert names == {"ckpt-63.index", "ckpt-68.index"}


def test_training_learns(finished_run):
    lines = finished_run.output.splitlines()
    shown = [line for line in lines if "val_elbo" in line]
    elbos = [float(line.split("val_elbo")[1].split()[0]) for line in shown]
    assert elbos[-1] > elbos[0]


def test_trained_model_has_the_averages(finished_run):
    trained = load_trained(finished_run.path)
    model, experiment = trained.model, trained.experiment
    assert experiment == finished_run.experiment
    values = finished_run.values.values()
    for variable in model.trainable_variables:
        assert variable.dtype == "float32"
    # By hand: out of the optimizer.
    fresh = _state(experiment)
    path = tf.train.latest_checkpoint(
        str(RunFolder(finished_run.path).checkpoints)
    )
    fresh.checkpoint().restore(path).assert_existing_objects_matched()
    averages = fresh.guard.averages
    for mine, average, last in zip(
        model.trainable_variables, averages, fresh.model.trainable_variables
    ):
        np.testing.assert_array_equal(mine.numpy(), average.numpy())
        assert np.any(mine.numpy() != last.numpy())
        assert any(np.array_equal(mine.numpy(), value) for value in values)


def _state(experiment):
    return make_state(
        experiment.model,
        (6, 6, 1),
        likelihood="bernoulli",
        total_steps=None,
        seed=0,
        precision="float32",
    )


def test_trained_model_scores_as_its_validation(finished_run, dataset):
    model = load_trained(finished_run.path).model
    model.compile()
    batches = evaluation_batches(
        dataset.splits["validation"], batch_size=500, binarization="dynamic"
    )
    logs = model.evaluate(batches, return_dict=True, verbose=0)
    shown = finished_run.output.splitlines()[-1]
    assert f"val_elbo {logs['elbo']:.2f} " in shown


@pytest.mark.parametrize("patience", [0, 3])
def test_best_model_is_loaded_where_there_is_patience(tmp_path, patience):
    experiment = experiments.make_experiment({"patience": patience})
    folder = RunFolder(tmp_path)
    folder.start(experiment, (6, 6, 1))
    state = _state(experiment)
    record = run_record.make(experiment, experiment.prepare(), state.model)
    state = dataclasses.replace(state, record=record)
    first, value = next(iter(state.best.items()))
    state.keep_best(1.5)
    value.assign(tf.fill(value.shape, 3.0))
    average = state.averages()[first]
    average.assign(tf.fill(average.shape, 4.0))
    manager = tf.train.CheckpointManager(
        state.checkpoint(), folder.checkpoints, 1
    )
    manager.save()
    found = {
        weights: load_trained(tmp_path, weights).model.trainable_variables[0]
        for weights in (None, "best", "last")
    }
    assert np.all(found["best"].numpy() == 3.0)
    assert np.all(found["last"].numpy() == 4.0)
    assert np.all(found[None].numpy() == (3.0 if patience else 4.0))
    with pytest.raises(UserError, match=r"Unknown weights.*=first"):
        load_trained(tmp_path, "first")


def test_best_weights_of_a_run_that_was_never_validated(tmp_path):
    experiment = experiments.make_experiment({"patience": 3})
    folder = RunFolder(tmp_path)
    folder.start(experiment, (6, 6, 1))
    state = _state(experiment)
    record = run_record.make(experiment, experiment.prepare(), state.model)
    state = dataclasses.replace(state, record=record)
    manager = tf.train.CheckpointManager(
        state.checkpoint(), folder.checkpoints, 1
    )
    manager.save()
    assert load_trained(tmp_path).weights == "last"
    with pytest.raises(UserError, match="best weights of the run are missing"):
        load_trained(tmp_path, "best")


def test_patience_keeps_the_epoch_of_the_lowest_val_loss_that_is_shown(
    tmp_path, dataset, capsys
):
    experiment = experiments.make_experiment(
        {"patience": 1},
        objective={"beta": 8.0},
        learning_rate=0.1,
        learning_rate_final=1.0,
    )
    train(experiment, tmp_path, dataset=dataset)
    lines = capsys.readouterr().out.splitlines()
    shown = [line for line in lines if "val_loss " in line]
    losses = [float(line.split("val_loss ")[1].split()[0]) for line in shown]
    assert losses[-1] > min(losses)
    model = load_trained(tmp_path).model
    model.compile()
    batches = evaluation_batches(
        dataset.splits["validation"], batch_size=500, binarization="dynamic"
    )
    found = model.evaluate(batches, return_dict=True, verbose=0)
    # As it was rounded.
    assert found["loss"] == pytest.approx(min(losses), abs=0.006)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (None, "219 images: 139 train, 40 validation, 40 test; shape 6x6x1"),
        (
            ["cats", "dogs"],
            "219 images: 139 train, 40 validation, 40 test; 2 classes: cats, "
            "dogs; shape 6x6x1",
        ),
        (list("abcd"), "4 classes: a, b, c, ...; shape"),
        (["one"], "1 class: one; shape"),
    ],
)
def test_images_are_described(dataset, names, text):
    described = dataclasses.replace(dataset, class_names=names)
    assert text in trainer._describe(described)


def test_a_run_begins_with_its_images(finished_run):
    first = finished_run.output.splitlines()[0]
    assert first.startswith("219 images: 139 train, ")


def test_no_checkpoint_yet(tmp_path):
    RunFolder(tmp_path).start(experiments.make_experiment(), (6, 6, 1))
    with pytest.raises(UserError, match=r"no checkpoint yet.*--workdir="):
        load_trained(tmp_path)


@pytest.mark.parametrize("units", [(7,), (12, 12)])
def test_a_checkpoint_of_another_model_is_refused(
    tmp_path, finished_run, units
):
    """Its variables have other shapes, or some are missing."""
    folder = RunFolder(tmp_path)
    folder.start(
        experiments.make_experiment(
            architecture=DenseConfig(hidden_units=units)
        ),
        (6, 6, 1),
    )
    old = RunFolder(finished_run.path).checkpoints
    shutil.copytree(old, folder.checkpoints, dirs_exist_ok=True)
    with pytest.raises(UserError, match=r"does not fit.*Received: .*ckpt-"):
        load_trained(tmp_path)


class _Begun(keras.callbacks.Callback):
    """Keeps the bias of the output as the run begins, and ends it there."""

    def on_train_begin(self, logs=None):
        self.bias = self.model.decoder.output_bias.numpy()
        raise KeyboardInterrupt


@pytest.mark.parametrize("at_mean", [True, False])
@pytest.mark.parametrize(
    "make",
    [experiments.make_experiment, experiments.make_nvae_experiment],
)
def test_run_begins_at_the_mean_image_where_it_is_asked_to(
    make, at_mean, tmp_path, dataset
):
    experiment = make(output_mean_bias=at_mean)
    begun = _Begun()
    with pytest.raises(KeyboardInterrupt):
        train(experiment, tmp_path, dataset=dataset, callbacks=[begun])
    images = dataset.splits["train"].images / 255.0
    logits = scipy.special.logit(images.mean(axis=0))
    expected = logits if at_mean else np.zeros_like(logits)
    np.testing.assert_allclose(begun.bias, expected, rtol=1e-3, atol=1e-5)


class _Pseudo(keras.callbacks.Callback):
    """Keeps the pseudo-inputs as the run begins, and ends it there."""

    def on_train_begin(self, logs=None):
        self.found = self.model.prior.pseudo_inputs.numpy()
        raise KeyboardInterrupt


def test_pseudo_inputs_begin_as_binarized_training_images(tmp_path, dataset):
    experiment = experiments.make_experiment(
        prior={"name": "vamp", "num_components": 9}
    )
    pseudo = _Pseudo()
    with pytest.raises(KeyboardInterrupt):
        train(experiment, tmp_path, dataset=dataset, callbacks=[pseudo])
    assert set(np.unique(pseudo.found)) == {0.0, 1.0}
    images = dataset.splits["train"].images / 255.0
    # Each is like one of the images, and not like their mean.
    mean = np.abs(pseudo.found - images.mean(0)).mean((1, 2, 3))
    each = np.abs(pseudo.found[:, None] - images).mean((2, 3, 4)).min(1)
    assert np.all(each < 0.8 * mean)


def test_more_pseudo_inputs_than_images_are_refused(tmp_path, dataset):
    experiment = experiments.make_experiment(
        prior={"name": "vamp", "num_components": 1000}
    )
    with pytest.raises(UserError, match=r"not be above .* 139: .*=1000"):
        train(experiment, tmp_path, dataset=dataset)


class _Poison(keras.callbacks.Callback):
    """Makes a weight NaN before the execution at a step."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_begin(self, batch, logs=None):
        if int(self.model.optimizer.iterations.numpy()) >= self.step:
            weight = self.model.trainable_variables[0]
            weight.assign(tf.fill(weight.shape, np.nan))


def test_divergence_leaves_the_last_good_checkpoint(tmp_path, dataset):
    experiment = experiments.make_experiment({"checkpoint_seconds": 0.0})
    with pytest.raises(
        DivergedError, match=r"step 36.*weights are not finite.*kernel"
    ):
        train(experiment, tmp_path, dataset=dataset, callbacks=[_Poison(27)])
    path = tf.train.latest_checkpoint(str(RunFolder(tmp_path).checkpoints))
    assert path.endswith("-27")
    for name, value in experiments.checkpoint_values(tmp_path).items():
        assert "best_loss" in name or np.all(np.isfinite(value)), name
    load_trained(tmp_path)


def test_no_averaging_no_clipping(tmp_path, dataset):
    experiment = experiments.make_experiment(
        {"epochs": 1}, ema_momentum=0.0, clip_norm=0.0, kind=AutoencoderConfig
    )
    train(experiment, tmp_path, dataset=dataset)
    model = load_trained(tmp_path).model
    values = experiments.checkpoint_values(tmp_path).values()
    weight = model.trainable_variables[0].numpy()
    assert any(np.array_equal(weight, value) for value in values)


def test_two_replicas(tmp_path, digits_dir):
    experiment = experiments.make_experiment(
        {"epochs": 1, "distribution": "mirrored"},
        {"data_dir": str(digits_dir)},
        batch_size=250,
    )
    result = train(experiment, tmp_path, callbacks=[experiments.SignalAt(3)])
    assert result.summary["steps"] == 4
    result = train(experiment, tmp_path)
    assert result.summary["num_replicas"] == 2
    assert result.summary["steps"] == 16
    values = experiments.checkpoint_values(tmp_path)
    for name, value in values.items():
        assert "best_loss" in name or np.all(np.isfinite(value)), name
    model = load_trained(tmp_path).model
    assert model.image_shape == (28, 28, 1)


class _Ticks(keras.callbacks.Callback):
    """A clock on which each execution takes a quarter of a second."""

    def __init__(self):
        super().__init__()
        self.now = 1000.0
        self.rate = 0.0

    def monotonic(self):
        return self.now

    def on_train_batch_begin(self, batch, logs=None):
        self.now += 0.25

    def on_train_end(self, logs=None):
        self.rate = float(self.model.optimizer.learning_rate)


def test_budget_of_minutes(tmp_path, dataset, monkeypatch):
    ticks = _Ticks()
    monkeypatch.setattr(callbacks, "time", ticks)
    experiment = experiments.make_experiment({"max_minutes": 0.1})
    signal_at = experiments.SignalAt(90)
    result = train(
        experiment, tmp_path, dataset=dataset, callbacks=[ticks, signal_at]
    )
    assert result.interrupted == "SIGTERM"
    assert result.summary["steps"] == 99
    assert 60 * result.summary["minutes"] == pytest.approx(2.75, abs=0.05)
    assert 1e-3 < ticks.rate < 3.5e-3  # On its way down.
    ticks.now += 1e4  # Time between the two is no training.
    result = train(experiment, tmp_path, dataset=dataset, callbacks=[ticks])
    assert result.interrupted is None
    # 24 executions of 9 steps in both parts together.
    assert result.summary["steps"] == 216
    assert 60 * result.summary["minutes"] == pytest.approx(6.0, abs=0.05)
    assert ticks.rate == pytest.approx(4e-3 * 0.01, rel=0.02)
    # The time is over: the same call does not go on.
    result = train(experiment, tmp_path, dataset=dataset, callbacks=[ticks])
    assert result.summary["steps"] == 216


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
