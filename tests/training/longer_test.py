"""Tests of runs that become longer, and of those that start from another."""

import dataclasses
import json
import re
import shutil

import keras
import numpy as np
import pytest

from keras_vae.errors import UserError
from keras_vae.training import RunFolder, callbacks, load_trained, train
from keras_vae.training.first_weights import take_weights
from keras_vae.training.named_variables import named_variables
from tests.training import experiments


@pytest.fixture
def finished(finished_run, tmp_path):
    """A copy of a run of 4 epochs, 68 steps."""
    path = tmp_path / "finished"
    shutil.copytree(finished_run.path, path)
    return path


class _Rates(keras.callbacks.Callback):
    """Notes the learning rate before each execution, by the step."""

    def __init__(self):
        super().__init__()
        self.at = {}

    def on_train_batch_begin(self, batch, logs=None):
        optimizer = self.model.optimizer
        self.at[int(optimizer.iterations)] = float(optimizer.learning_rate)


def _with(experiment, **training):
    changed = dataclasses.replace(experiment.training, **training)
    return dataclasses.replace(experiment, training=changed)


def test_more_epochs_stretch_the_schedules(
    finished, finished_run, dataset, capsys
):
    experiment = _with(finished_run.experiment, epochs=8)
    rates = _Rates()
    result = train(experiment, finished, dataset=dataset, callbacks=[rates])
    said = capsys.readouterr().out
    assert "continues from step 68 of 136" in said
    assert "136 steps instead of 68" in said
    assert result.summary["steps"] == 136
    config = experiment.model
    total, warmup = 136, config.learning_rate_warmup * 136
    final = config.learning_rate_final * config.learning_rate
    for step, rate in rates.at.items():
        angle = np.pi * (step - warmup) / (total - warmup)
        fall = 0.5 * (config.learning_rate - final) * (1 + np.cos(angle))
        assert rate == pytest.approx(final + fall, rel=1e-4)
    assert load_trained(finished).step == 136
    assert RunFolder(finished).load_experiment() == experiment


class _Dies(keras.callbacks.Callback):
    """Ends a run as a kill would, before its first step."""

    def on_train_batch_begin(self, batch, logs=None):
        raise ConnectionError


def test_a_run_that_was_killed_at_step_0_becomes_longer_too(tmp_path, dataset):
    experiment = experiments.make_experiment(
        {"epochs": 1, "checkpoint_seconds": 0.0}
    )
    with pytest.raises(ConnectionError):
        train(experiment, tmp_path, dataset=dataset, callbacks=[_Dies()])
    assert list((tmp_path / "checkpoints").glob("ckpt-0.index"))
    result = train(_with(experiment, epochs=2), tmp_path, dataset=dataset)
    assert result.summary["epochs"] == 2
    assert int(result.summary["steps"]) == load_trained(tmp_path).step == 34


class _Ticks(keras.callbacks.Callback):
    """A clock on which each execution of 9 steps takes a quarter second."""

    def __init__(self):
        super().__init__()
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def on_train_batch_begin(self, batch, logs=None):
        self.now += 0.25


def test_more_minutes_stretch_the_schedules(
    tmp_path, dataset, monkeypatch, capsys
):
    ticks, rates = _Ticks(), _Rates()
    monkeypatch.setattr(callbacks, "time", ticks)
    experiment = experiments.make_experiment({"max_minutes": 0.05})
    first = train(experiment, tmp_path, dataset=dataset, callbacks=[ticks])
    steps = first.summary["steps"]
    assert steps == 12 * 9
    longer = _with(experiment, max_minutes=0.1)
    both = [ticks, rates]
    result = train(longer, tmp_path, dataset=dataset, callbacks=both)
    assert "216 steps instead of 109" in capsys.readouterr().out
    assert result.summary["steps"] == 2 * steps
    # It was a hundredth of its peak, and is half of it in the midst of a run.
    assert rates.at[steps] == pytest.approx(2e-3, rel=0.1)


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"epochs": 3}, r"only become longer.*--epochs=3"),
        ({"max_minutes": 5.0}, r"one of --epochs.*--max_minutes=5"),
    ],
)
def test_a_run_does_not_become_shorter(
    finished, finished_run, dataset, training, message
):
    with pytest.raises(UserError, match=message):
        train(
            _with(finished_run.experiment, **training),
            finished,
            dataset=dataset,
        )


def test_a_run_starts_from_the_weights_of_another(
    finished_run, tmp_path, dataset, capsys
):
    experiment = _with(finished_run.experiment, epochs=1)
    first = {}

    class Begun(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            for name, variable in named_variables(self.model).items():
                first[name] = variable.numpy()

    source = load_trained(finished_run.path).model
    for number, init_from in enumerate(
        (finished_run.path, RunFolder(finished_run.path).model)
    ):
        with pytest.raises(KeyboardInterrupt):
            train(
                experiment,
                tmp_path / str(number),
                init_from=init_from,
                dataset=dataset,
                callbacks=[Begun(), experiments.EndAtOnce()],
            )
        for name, variable in named_variables(source).items():
            np.testing.assert_array_equal(first[name], variable, err_msg=name)
        assert "took 9 of 9 variables" in capsys.readouterr().out


def test_what_a_run_began_from_is_kept(finished_run, tmp_path, dataset, capsys):
    """It goes on by the same command, and by no other."""
    experiment = _with(finished_run.experiment, epochs=1)
    folder = RunFolder(tmp_path / "run")
    train(experiment, folder.path, init_from=finished_run.path, dataset=dataset)
    config = json.loads(folder.config.read_text())
    assert config["init_from"] == str(finished_run.path)
    same = f"{finished_run.path}/"
    train(experiment, folder.path, init_from=same, dataset=dataset)
    assert json.loads(folder.config.read_text()) == config
    message = r"began from .* leave --init_from out.*--init_from=other"
    with pytest.raises(UserError, match=message):
        train(experiment, folder.path, init_from="other", dataset=dataset)
    config["init_from"] = None
    folder.config.write_text(json.dumps(config))
    with pytest.raises(UserError, match="began without it"):
        train(experiment, folder.path, init_from=same, dataset=dataset)
    del config["init_from"]
    folder.config.write_text(json.dumps(config))
    capsys.readouterr()
    train(experiment, folder.path, init_from=same, dataset=dataset)
    assert "does nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    "source", ["nothing", "nothing.keras", "bit.keras", "cut.keras"]
)
def test_weights_that_cannot_be_read_are_named_in_a_line(
    source, finished_run, tmp_path
):
    path = tmp_path / source
    data = bytearray(RunFolder(finished_run.path).model.read_bytes())
    if source == "bit.keras":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    if source == "cut.keras":
        path.write_bytes(data[: len(data) // 2])
    model = load_trained(finished_run.path).model
    with pytest.raises(UserError, match=re.escape(str(path))) as error:
        take_weights(model, path)
    text = str(error.value)
    assert "\n" not in text and "--workdir=" not in text
    assert "not found" not in text or source == "nothing.keras"


def test_what_does_not_fit_is_listed(finished_run, tmp_path, dataset, capsys):
    experiment = experiments.make_experiment({"epochs": 1}, latent_dim=3)
    with pytest.raises(KeyboardInterrupt):
        train(
            experiment,
            tmp_path,
            init_from=finished_run.path,
            dataset=dataset,
            callbacks=[experiments.EndAtOnce()],
        )
    said = capsys.readouterr().out
    assert "took 6 of 9 variables" in said
    assert "taken: DenseEncoder_0/Dense_0/kernel\n" in said
    left = "not taken: DenseEncoder_0/Dense_1/kernel ([12, 6], there [12, 4])"
    assert left in said


@pytest.mark.parametrize("source", ["hierarchical", "nothing", "nothing.keras"])
def test_nothing_that_fits_is_refused(source, finished_run, tmp_path, dataset):
    experiment = experiments.make_nvae_experiment({"epochs": 1})
    init_from = tmp_path / source
    if source == "hierarchical":
        init_from = finished_run.path
    message = "Nothing of the other|No run found|no model of the package"
    with pytest.raises(UserError, match=message):
        train(
            experiment,
            tmp_path / "run",
            init_from=init_from,
            dataset=dataset,
        )
    assert not (tmp_path / "run").exists()


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
