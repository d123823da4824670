"""Tests that a run survives damage to its checkpoints, and says so."""

import dataclasses
import json
import shutil
import types

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.config import TrainingConfig, VAEConfig
from keras_vae.data import DataConfig
from keras_vae.errors import StorageError, UserError
from keras_vae.training import (
    ExperimentConfig,
    Preparation,
    RunFolder,
    TrainedModel,
    load_trained,
    run_record,
    train,
)
from keras_vae.training import checkpoint_files as files
from keras_vae.units import NATS
from tests.models.cases import make_model
from tests.training import experiments

_EXPERIMENT = experiments.make_experiment(
    {"checkpoint_seconds": 0.0, "keep_checkpoints": 3, "patience": 9}
)
_LAST = 68


def _empty(path):
    path.write_bytes(b"")


def _cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _cut_a_byte(path):
    path.write_bytes(path.read_bytes()[:-1])


def _zero(path):
    path.write_bytes(bytes(path.stat().st_size))


def _garbage(path):
    random = np.random.default_rng(0)
    path.write_bytes(random.bytes(path.stat().st_size))


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def _remove(path):
    path.unlink()


def _folder_instead(path):
    path.unlink()
    path.mkdir()


_KINDS = (
    _empty,
    _cut,
    _cut_a_byte,
    _zero,
    _garbage,
    _flip,
    _remove,
    _folder_instead,
)


def _data(folder, step):
    return folder / f"ckpt-{step}.data-00000-of-00001"


def _index(folder, step):
    return folder / f"ckpt-{step}.index"


def _saved_steps(folder):
    return sorted(
        int(path.stem.rpartition("-")[2]) for path in folder.glob("*.index")
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory, dataset):
    """The folder of a finished run; read it, do not write."""
    path = tmp_path_factory.mktemp("damage") / "run"
    train(_EXPERIMENT, path, dataset=dataset)
    return path


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the finished run."""
    shutil.copytree(finished, tmp_path / "run")
    return RunFolder(tmp_path / "run")


@pytest.fixture(scope="module")
def steps(finished):
    return _saved_steps(RunFolder(finished).checkpoints)


@pytest.mark.parametrize("file", [_data, _index])
@pytest.mark.parametrize("kind", _KINDS)
def test_the_checkpoint_before_is_used(kind, file, run, steps, capsys):
    assert len(steps) == 3
    kind(file(run.checkpoints, _LAST))
    saved = files.newest(run.checkpoints)
    assert saved.step == steps[-2]
    assert list(saved.damaged) == [str(run.checkpoints / f"ckpt-{_LAST}")]
    saved.warn()
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"ckpt-{_LAST} is damaged" in said and f"ckpt-{steps[-2]}" in said


def test_a_checkpoint_that_is_gone_is_missed(run, steps):
    for path in run.checkpoints.glob(f"ckpt-{_LAST}.*"):
        path.unlink()
    saved = files.newest(run.checkpoints)
    assert saved.step == steps[-2]
    assert list(saved.damaged.values()) == ["it is missing"]


def test_several_damaged_ones_are_passed_over(run, steps):
    _flip(_data(run.checkpoints, steps[2]))
    _cut(_index(run.checkpoints, steps[1]))
    saved = files.newest(run.checkpoints)
    assert saved.step == steps[0]
    assert len(saved.damaged) == 2


@pytest.mark.parametrize("kind", _KINDS)
def test_the_list_of_checkpoints_is_not_needed(kind, run, steps):
    kind(run.checkpoints / "checkpoint")
    saved = files.newest(run.checkpoints)
    assert (saved.step, saved.damaged) == (_LAST, {})
    files.recover(run.checkpoints)
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(), str(run.checkpoints), max_to_keep=3
    )
    expected = [str(run.checkpoints / f"ckpt-{step}") for step in steps]
    assert manager.checkpoints == expected
    assert manager.latest_checkpoint == expected[-1]


def test_a_list_that_points_nowhere_is_said(run):
    text = 'model_checkpoint_path: "ckpt-99"\n'
    (run.checkpoints / "checkpoint").write_text(text)
    saved = files.newest(run.checkpoints)
    assert saved.step == _LAST
    assert list(saved.damaged) == [str(run.checkpoints / "ckpt-99")]


def test_numbers_of_thousands_of_digits_are_no_steps(run, steps):
    (run.checkpoints / "checkpoint").write_text(
        f'model_checkpoint_path: "ckpt-{"9" * 5000}"\n'
    )
    (run.checkpoints / f"ckpt-{'9' * 200}.index").touch()
    saved = files.newest(run.checkpoints)
    assert (saved.step, saved.damaged) == (_LAST, {})


@pytest.mark.parametrize("kind", _KINDS)
def test_no_silent_start_from_nothing(kind, run, dataset):
    for path in run.checkpoints.glob("ckpt-*"):
        kind(path)
    before = sorted(path.name for path in run.checkpoints.iterdir())
    with pytest.raises(UserError, match=r"(?s)damaged.*Received: .*ckpt-"):
        train(_EXPERIMENT, run.path, dataset=dataset)
    assert sorted(path.name for path in run.checkpoints.iterdir()) == before


def test_a_finished_run_without_checkpoints_is_refused(run, dataset):
    shutil.rmtree(run.checkpoints)
    with pytest.raises(UserError, match="lost its checkpoints"):
        train(_EXPERIMENT, run.path, dataset=dataset)


def test_what_cannot_be_read_is_not_taken_for_damaged(run, monkeypatch):
    def fail(path):
        raise tf.errors.UnknownError(None, None, f"{path}; Input/output error")

    monkeypatch.setattr(tf.train, "load_checkpoint", fail)
    with pytest.raises(StorageError, match="Input/output error"):
        files.recover(run.checkpoints)
    assert _index(run.checkpoints, _LAST).exists()


def test_run_goes_on_from_the_one_before(finished, run, dataset, steps, capsys):
    _flip(_data(run.checkpoints, _LAST))
    (run.checkpoints / "ckpt-99_temp").mkdir()
    leftovers = [
        "ckpt-99_temp/part-00000-of-00001.data-00000-of-00001.tempstate12",
        "ckpt-68.index.tempstate7",
        "checkpoint.tmp0a1b2c",
    ]
    for name in leftovers:
        (run.checkpoints / name).write_bytes(b"x")
    result = train(_EXPERIMENT, run.path, dataset=dataset)
    out, err = capsys.readouterr()
    assert f"continues from step {steps[-2]} of {_LAST} " in out
    assert err.count("\n") == 1 and "is damaged" in err
    assert result.summary["steps"] == _LAST
    found = experiments.checkpoint_values(run.path)
    for name, value in experiments.checkpoint_values(finished).items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    kept = {path.name for path in run.checkpoints.iterdir()}
    assert kept == {
        path.name for path in RunFolder(finished).checkpoints.iterdir()
    }


def test_a_finished_run_says_that_it_is(run, dataset, capsys):
    train(_EXPERIMENT, run.path, dataset=dataset)
    assert f"nothing was left to do: it is finished at step {_LAST}" in (
        capsys.readouterr().out
    )


def test_first_save_that_was_killed_is_no_checkpoint(tmp_path):
    _data(tmp_path, 9).write_bytes(b"x")
    (tmp_path / "ckpt-9_temp").mkdir()
    assert files.newest(tmp_path) is None
    assert files.recover(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_loaded_model_knows_its_step_and_the_last(run, steps):
    run.model.unlink()
    loaded = load_trained(run.path, "last")
    assert (loaded.step, loaded.last_step) == (_LAST, _LAST)
    _flip(_data(run.checkpoints, _LAST))
    loaded = load_trained(run.path, "last")
    assert (loaded.step, loaded.last_step) == (steps[-2], _LAST)


@pytest.mark.parametrize("kind", _KINDS)
def test_a_damaged_model_file_is_said_and_not_needed(kind, run, capsys):
    whole = load_trained(run.path)
    assert (whole.weights, capsys.readouterr().err) == ("best", "")
    kind(run.model)
    found = load_trained(run.path)
    said = capsys.readouterr().err
    expected = 0 if kind is _remove else 1
    assert said.count("\n") == expected == said.count("note: The model file")
    assert (found.step, found.weights) == (whole.step, "best")
    for one, other in zip(
        found.model.get_weights(), whole.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_model_file_is_enough(run):
    shutil.rmtree(run.checkpoints)
    assert load_trained(run.path).last_step == _LAST
    with pytest.raises(UserError, match="no checkpoint yet"):
        load_trained(run.path, "last")


def _other(**model):
    return dataclasses.replace(
        _EXPERIMENT, model=dataclasses.replace(_EXPERIMENT.model, **model)
    )


def test_lost_configuration_is_found_again(run, dataset, capsys):
    run.config.unlink()
    train(_EXPERIMENT, run.path, dataset=dataset)
    assert "nothing was left to do" in capsys.readouterr().out
    assert run.load_experiment() == _EXPERIMENT


def test_foreign_checkpoint_is_refused(run, dataset):
    run.config.unlink()
    # A model of the same shapes.
    other = _other(learning_rate=0.5)
    with pytest.raises(UserError, match=r"another experiment.*0\.004 -> 0\.5"):
        train(other, run.path, dataset=dataset)
    run.start(other, (6, 6, 1))
    for call in (
        lambda: train(other, run.path, dataset=dataset),
        lambda: load_trained(run.path),
    ):
        with pytest.raises(UserError, match="another experiment"):
            call()


@pytest.mark.parametrize(
    "change", [{"image_shape": [6, 3, 2]}, {"class_names": ["a"]}]
)
def test_configuration_of_other_images_is_refused(run, change):
    content = json.loads(run.config.read_text())
    run.config.write_text(json.dumps(content | change))
    with pytest.raises(UserError, match="does not fit"):
        load_trained(run.path)


def test_checkpoints_without_a_configuration_are_a_run(run, dataset):
    run.config.unlink()
    with pytest.raises(UserError, match="already holds a run"):
        train(_EXPERIMENT, run.path, resume=False, dataset=dataset)


@pytest.fixture
def unnamed(run):
    """A run whose checkpoint does not name its experiment, as once."""
    shutil.rmtree(run.checkpoints)
    run.model.unlink()
    state = experiments.make_trained_state(_EXPERIMENT)
    checkpoint = tf.train.Checkpoint(
        optimizer=state.optimizer, best_loss=state.best_loss
    )
    manager = tf.train.CheckpointManager(
        checkpoint, str(run.checkpoints), max_to_keep=1
    )
    manager.save(checkpoint_number=_LAST)
    return run


def test_checkpoint_of_an_older_version_does_not_go_on(unnamed, dataset):
    with pytest.raises(UserError, match=r"another version.*--init_from"):
        train(_EXPERIMENT, unnamed.path, dataset=dataset)


def test_nobody_knows_whose_an_unnamed_checkpoint_is(unnamed, dataset):
    unnamed.config.unlink()
    with pytest.raises(UserError, match=r"without their config\.json"):
        train(_EXPERIMENT, unnamed.path, dataset=dataset)


def test_order_of_the_classes_is_that_of_the_checkpoint():
    """In another order each class would be taken for another one."""
    record = {"images": {"image_shape": [6, 6, 1], "class_names": ["b", "a"]}}
    saved = files.SavedCheckpoint("ckpt-1", 1, record, {})
    run_record.check_images(saved, (6, 6, 1), ("b", "a"))
    with pytest.raises(UserError, match="does not fit"):
        run_record.check_images(saved, (6, 6, 1), ("a", "b"))


def test_what_is_left_of_an_older_checkpoint_is_cleared_away(run, steps):
    _index(run.checkpoints, steps[0]).unlink()
    assert files.recover(run.checkpoints).step == _LAST
    assert not _data(run.checkpoints, steps[0]).exists()
    listed = tf.train.get_checkpoint_state(str(run.checkpoints))
    found = [
        path.rpartition("-")[2] for path in listed.all_model_checkpoint_paths
    ]
    assert found == [str(step) for step in steps[1:]]


_BITS = {
    "binarization": "static",
    "dequantization": "none",
    "likelihood": "bernoulli",
}


def _trained(model):
    experiment = ExperimentConfig(
        DataConfig("mnist_5k"), VAEConfig(), TrainingConfig()
    )
    return TrainedModel(model, experiment, Preparation(**_BITS, unit=NATS))


def test_a_model_file_that_was_prepared_otherwise_is_of_another_run():
    model = make_model()
    experiment = _trained(model).experiment
    found = _trained(model)
    prepared = found.preparation

    def folder(preparation):
        return types.SimpleNamespace(
            model="model.keras",
            load_preparation=lambda: preparation,
            load_image_shape=lambda: model.image_shape,
            load_class_names=lambda: model.class_names,
        )

    run_record.check_model(folder(prepared), experiment, found)
    other = Preparation(**{**_BITS, "binarization": "dynamic"}, unit=NATS)
    with pytest.raises(UserError, match="binarization: static -> dynamic"):
        run_record.check_model(folder(other), experiment, found)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
