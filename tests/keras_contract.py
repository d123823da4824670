"""What Keras promises of a model after `fit`, as checks of any model.

The tests run each of them on a plain Keras model too, so that nothing is asked
for that Keras itself does not keep.

In all of them `make_model()` returns a new compiled model with the same initial
weights each time, and `data` is a `tf.data.Dataset` of a few batches without
chance in it, of which each element is what `fit` takes.
"""

import copy
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

__all__ = [
    "check_copies",
    "check_counts",
    "check_early_stopping",
    "check_export",
    "check_resumes",
    "fit_with_checkpoints",
    "inputs_of",
]

_KERAS, _WEIGHTS = "epoch_{epoch}.keras", "epoch_{epoch}.weights.h5"
_BACKUP, _KILLED = "backup", "backup_of_a_killed_run"


def inputs_of(model: keras.Model, data: tf.data.Dataset) -> Any:
    """Returns what the model is called with, of the first batch."""
    batch = next(iter(data))
    signature = getattr(model, "input_signature", None)
    if signature is None or isinstance(signature[0], tuple):
        return batch[0] if signature is None else batch
    return batch[0] if isinstance(batch, tuple) else batch


def fit_with_checkpoints(
    make_model: Callable[[], keras.Model],
    data: tf.data.Dataset,
    folder: pathlib.Path,
) -> keras.Model:
    """Returns a model after two epochs, with what three callbacks wrote.

    In `folder` is what there would be if the process had been killed in the
    second epoch, for `check_resumes`.
    """
    model = make_model()
    checkpoint = keras.callbacks.ModelCheckpoint
    backup = folder / _BACKUP

    def copy_backup(epoch: int, logs: Any) -> None:
        if epoch == 0:
            shutil.copytree(backup, folder / _KILLED)

    model.fit(
        data,
        epochs=2,
        shuffle=False,
        verbose=0,
        callbacks=[
            checkpoint(str(folder / _KERAS)),
            checkpoint(str(folder / _WEIGHTS), save_weights_only=True),
            keras.callbacks.BackupAndRestore(str(backup)),
            keras.callbacks.LambdaCallback(on_epoch_end=copy_backup),
        ],
    )
    return model


def check_resumes(
    model: keras.Model,
    make_model: Callable[[], keras.Model],
    data: tf.data.Dataset,
    folder: pathlib.Path,
) -> None:
    """Each way back to the end of the first epoch leads on bit for bit."""
    loaded = keras.saving.load_model(folder / _KERAS.format(epoch=1))
    assert type(loaded) is type(model)
    _fit_second_epoch(loaded, data)
    _assert_same_state(model, loaded)

    loaded = make_model()
    loaded.load_weights(folder / _WEIGHTS.format(epoch=1))
    _fit_second_epoch(loaded, data)
    _assert_same_state(model, loaded)

    restored = make_model()
    backup = keras.callbacks.BackupAndRestore(str(folder / _KILLED))
    history = restored.fit(
        data, epochs=2, shuffle=False, verbose=0, callbacks=[backup]
    )
    assert history.epoch == [1]
    _assert_same_state(model, restored)


def _fit_second_epoch(model: keras.Model, data: tf.data.Dataset) -> None:
    assert int(model.optimizer.iterations) == len(data)
    model.fit(data, initial_epoch=1, epochs=2, shuffle=False, verbose=0)


def _assert_same_state(one: keras.Model, two: keras.Model) -> None:
    """The weights, the optimizer, and the metrics of the last epoch agree."""
    for old, new in (
        (one.weights, two.weights),
        (one.optimizer.variables, two.optimizer.variables),
        (_metric_variables(one), _metric_variables(two)),
    ):
        assert len(old) == len(new) > 0
        for a, b in zip(old, new, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy(), a.path)


def _metric_variables(model: keras.Model) -> list[keras.Variable]:
    return [v for metric in model.metrics for v in metric.variables]


def check_counts(model: keras.Model) -> None:
    """It is built, and its parameters are counted and listed."""
    assert model.built
    assert len(model.layers) > 0
    count = sum(int(np.prod(v.shape)) for v in model.weights)
    assert model.count_params() == count > 0
    lines: list[str] = []
    model.summary(print_fn=lambda text, **_: lines.append(text))
    text = "\n".join(lines)
    assert "unbuilt" not in text
    trainable = sum(int(np.prod(v.shape)) for v in model.trainable_weights)
    assert f" Trainable params: {trainable:,} " in text
    assert f" Non-trainable params: {count - trainable:,} " in text


def check_export(model: keras.Model, inputs: Any, folder: pathlib.Path) -> None:
    """`export` serves what the model returns, for any number of images."""
    expected = model(inputs).numpy()
    model.export(folder / "export", verbose=False)
    loaded = tf.saved_model.load(folder / "export")  # It owns the variables.
    np.testing.assert_allclose(loaded.serve(inputs), expected, atol=1e-6)
    one = tf.nest.map_structure(lambda x: x[:1], inputs)
    np.testing.assert_allclose(loaded.serve(one), expected[:1], atol=1e-5)


def check_copies(model: keras.Model, inputs: Any) -> None:
    """A clone takes the weights, a copy has them; both have their own."""
    expected = model(inputs).numpy()
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    for other in (clone, copy.deepcopy(model)):
        np.testing.assert_array_equal(other(inputs), expected)
        assert not set(map(id, other.weights)) & set(map(id, model.weights))


def check_early_stopping(model: keras.Model, data: tf.data.Dataset) -> None:
    """The weights of the best epoch come back, here those of the first."""
    best: list[np.ndarray] = []

    def remember(epoch: int, logs: dict[str, Any]) -> None:
        logs["score"] = -epoch
        if epoch == 0:
            best.extend(v.numpy() for v in model.weights)

    stopping = keras.callbacks.EarlyStopping(
        monitor="score", mode="max", patience=1, restore_best_weights=True
    )
    model.fit(
        data,
        epochs=5,
        shuffle=False,
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(on_epoch_end=remember),
            stopping,
        ],
    )
    assert stopping.stopped_epoch == 1
    for old, new in zip(best, model.weights, strict=True):
        np.testing.assert_array_equal(old, new.numpy(), new.path)
