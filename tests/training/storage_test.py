"""Tests of runs whose folder cannot be written any longer."""

import errno
import json
import os
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.data.record_files import RecordFiles
from keras_vae.data.record_split import RecordSplit
from keras_vae.errors import OutOfMemoryError, StorageError, UserError
from keras_vae.training import RunFolder, open_run_data, train
from tests.full_disk import full_disk
from tests.training import experiments


class _At(keras.callbacks.Callback):
    """Calls a function before the execution at a step."""

    def __init__(self, step, function):
        super().__init__()
        self.step = step
        self.function = function

    def on_train_batch_begin(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == self.step:
            self.function()


def test_full_disk_and_then_the_same_command(tmp_path, dataset, finished_run):
    experiment = finished_run.experiment
    with full_disk(), pytest.raises(StorageError, match="too large") as error:
        train(experiment, tmp_path / "run", dataset=dataset)
    assert str(tmp_path / "run" / "checkpoints") in str(error.value)
    train(experiment, tmp_path / "run", dataset=dataset)
    found = experiments.checkpoint_values(tmp_path / "run")
    for name, value in finished_run.values.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    names = {p.name for p in RunFolder(tmp_path / "run").checkpoints.iterdir()}
    kept = RunFolder(finished_run.path).checkpoints.iterdir()
    assert names == {path.name for path in kept}


@pytest.mark.parametrize("name", ["data.json", "config.json"])
def test_start_that_is_cut_off_is_no_run(
    name, tmp_path, dataset, monkeypatch, capsys
):
    write = pathlib.Path.write_text

    def fail(path, *arguments, **options):
        if path.name.endswith(name):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, *arguments, **options)

    path, experiment = tmp_path / "run", experiments.make_experiment()
    with (
        monkeypatch.context() as patch,
        pytest.raises(StorageError, match="No space left") as error,
    ):
        patch.setattr(pathlib.Path, "write_text", fail)
        train(experiment, path, dataset=dataset)
    assert str(path) in str(error.value)
    if name == "data.json":
        assert str(error.value).endswith(f"Received: {path / name}")
    # Another experiment, on other images: nothing was begun.
    other = experiments.make_experiment({"epochs": 1}, latent_dim=3)
    images = experiments.make_dataset(80)
    stop = experiments.EndAtOnce()
    with pytest.raises(KeyboardInterrupt):
        train(other, path, dataset=images, callbacks=[stop])
    said = capsys.readouterr()
    assert "continues" not in said.out and "starts at" not in said.out
    assert "note:" not in said.err
    data = open_run_data(RunFolder(path), other.data, images)
    assert data.is_recorded and data.changes == ()


def test_run_without_a_checkpoint_begins_anew(tmp_path, dataset, capsys):
    folder, experiment = RunFolder(tmp_path), experiments.make_experiment()
    folder.start(experiment, (6, 6, 1))
    folder.data.write_text("half of a record")
    images = experiments.make_dataset(80)
    stop = experiments.EndAtOnce()
    with pytest.raises(KeyboardInterrupt):
        train(experiment, tmp_path, dataset=images, callbacks=[stop])
    said = capsys.readouterr()
    assert "starts at step 0: none was done yet" in said.out
    assert "note:" not in said.err
    assert open_run_data(folder, experiment.data, images).changes == ()


def test_images_that_are_cut_under_way(tmp_path):
    images = experiments.make_dataset()
    path = tmp_path / "images.tfrecord"
    levels = images.splits["train"].images
    with tf.io.TFRecordWriter(str(path)) as writer:
        for image in levels:
            writer.write(image.tobytes())

    def decode(record):
        image = tf.reshape(tf.io.decode_raw(record, tf.uint8), (6, 6, 1))
        return image, tf.constant(-1, tf.int64)

    files = RecordFiles([str(path)], [len(levels)], levels.nbytes, decode)
    images.splits["train"] = RecordSplit(
        files, np.arange(len(levels)), (6, 6, 1), has_labels=False
    )
    cut = _At(9, lambda: os.truncate(path, path.stat().st_size - 5))
    with pytest.raises(
        StorageError, match="record file of the images"
    ) as error:
        train(
            experiments.make_experiment(),
            tmp_path / "run",
            dataset=images,
            callbacks=[cut],
        )
    assert len(str(error.value).splitlines()) == 2


def test_folder_that_is_removed_under_way(tmp_path, dataset):
    experiment = experiments.make_experiment({"checkpoint_seconds": 0.0})
    remove = _At(27, lambda: shutil.rmtree(tmp_path / "run"))
    with pytest.raises(
        StorageError, match="removed while it was in use"
    ) as error:
        train(experiment, tmp_path / "run", dataset=dataset, callbacks=[remove])
    assert error.value.exit_code == 3
    assert not (tmp_path / "run").exists()


def test_folder_of_events_that_cannot_be_written(tmp_path, dataset):
    (tmp_path / "run").mkdir()
    RunFolder(tmp_path / "run").tensorboard.write_text("no folder")
    with pytest.raises(StorageError, match="tensorboard"):
        train(experiments.make_experiment(), tmp_path / "run", dataset=dataset)


def test_memory_that_is_not_there(tmp_path, dataset):
    experiment = experiments.make_experiment({"checkpoint_seconds": 0.0})
    grasp = _At(9, lambda: np.ones([2**40, 2**10]))
    with pytest.raises(OutOfMemoryError, match="Unable to allocate"):
        train(experiment, tmp_path, dataset=dataset, callbacks=[grasp])
    assert experiments.checkpoint_values(tmp_path)


def test_results_that_cannot_be_written_stay_as_they_are(tmp_path):
    folder = RunFolder(tmp_path)
    folder.results.update({"old": 1})
    with full_disk(10), pytest.raises(StorageError) as error:
        folder.results.update({"new": 2})
    assert str(folder.results.path) in str(error.value)
    assert json.loads(folder.results.path.read_text()) == {"old": 1}
    assert list(tmp_path.iterdir()) == [folder.results.path]
    folder.results.update({"new": 2})
    assert json.loads(folder.results.path.read_text()) == {"old": 1, "new": 2}


def test_results_of_a_folder_that_is_gone(tmp_path):
    with pytest.raises(StorageError, match="put it back"):
        RunFolder(tmp_path / "gone").results.update({"new": 2})


_HOLD = """
import pathlib, sys
from keras_vae.io import locks
with locks.hold(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_folder_in_which_another_process_trains(tmp_path, dataset):
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path / "run")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"in use by process {other.pid}"):
            train(
                experiments.make_experiment(),
                tmp_path / "run",
                dataset=dataset,
            )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["gs://bucket/run", "s3://b", "hdfs:/x/run"])
def test_remote_folder_is_refused(path):
    with pytest.raises(UserError, match=r"local path.*Received: workdir="):
        RunFolder(path)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
