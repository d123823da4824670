"""`train`: from an experiment to a trained model in a run folder."""

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vae.config import check_bool, resolve_classes
from keras_vae.data import (
    ImageDataset,
    Split,
    steps_per_epoch,
)
from keras_vae.errors import UserError
from keras_vae.io.failures import translated, writing
from keras_vae.io.local_files import check_local
from keras_vae.models import build_model
from keras_vae.notes import counted, first_names, note
from keras_vae.training import checkpoint_files, run_record
from keras_vae.training.callbacks import Checkpoints
from keras_vae.training.divergence import check_not_all_skipped
from keras_vae.training.experiment import ExperimentConfig
from keras_vae.training.first_weights import initialize
from keras_vae.training.model_file import write_model
from keras_vae.training.named_variables import named_variables
from keras_vae.training.preparation import Preparation
from keras_vae.training.run import Run
from keras_vae.training.run_data import RunData, open_run_data
from keras_vae.training.run_folder import RunFolder
from keras_vae.training.state import TrainingState, make_state
from keras_vae.training.strategy import (
    check_batch_size,
    make_strategy,
    resolve_batch_parts,
    resolve_jit,
)
from keras_vae.training.trained import chosen_weights, load_trained
from keras_vae.training.trained_model import TrainedModel

__all__ = ["TrainResult", "train"]

_STEPS_PER_EXECUTION = 16


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """How a call of `train` ended.

    Attributes:
        interrupted: Name of the signal that ended it early, or None.
        summary: What was done, as it stands in `results.json`.
        dataset: The images that it was trained on.
        trained: The model, as it lies in `model.keras`.
    """

    interrupted: str | None
    summary: dict[str, Any]
    dataset: ImageDataset = dataclasses.field(repr=False)
    trained: TrainedModel = dataclasses.field(repr=False)


def train(
    experiment: ExperimentConfig,
    workdir: str | os.PathLike[str],
    *,
    resume: bool = True,
    init_from: str | os.PathLike[str] | None = None,
    accept_changed_data: bool = False,
    dataset: ImageDataset | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    check_model: Callable[[TrainedModel], None] | None = None,
) -> TrainResult:
    """Trains a model with `fit`, or goes on with a run that was cut off.

    All input is checked before anything is left in the run folder, which no
    other process can train in meanwhile. The same call after a kill resumes at
    the step of the last checkpoint that is whole, says so, and repeats what
    the uninterrupted run would have done. With more `epochs` or `max_minutes` a
    run goes on longer, and its schedules are stretched to the new length.

    Args:
        experiment: Data, model and training.
        workdir: The run folder; see `RunFolder`.
        resume: Whether to go on with a run that the folder holds.
        init_from: A run folder or `model.keras`: the new run starts from its
            weights, as far as they fit; see `take_weights`. A run that goes on
            must have begun from the same.
        accept_changed_data: Whether to go on with it where the images are not
            those that it began with; see `open_run_data`.
        dataset: The images, where they are loaded already.
        callbacks: Further Keras callbacks; they come last.
        check_model: Called with the model, before it is trained and before the
            run folder is touched; raises what speaks against training it.

    Raises:
        UserError: If the experiment cannot be run as asked, or another process
            trains in the folder.
        StorageError: If the run folder can no longer be written.
        OutOfMemoryError: If there is not enough memory.
        DivergedError: If the loss is not finite, so that training ends or no
            step was taken.
    """
    check_bool("resume", resume)
    check_bool("accept_changed_data", accept_changed_data)
    if init_from is not None:
        check_local("init_from", init_from)
    folder = RunFolder(workdir)
    with translated(), folder.lock():
        folder.check(experiment, resume)
        open_data = functools.partial(
            open_run_data,
            folder,
            experiment.data,
            dataset,
            accept_changed_data=accept_changed_data,
        )
        return _train(
            experiment, folder, open_data, callbacks, check_model, init_from
        )


def _train(
    experiment: ExperimentConfig,
    folder: RunFolder,
    open_data: Callable[[], RunData],
    callbacks: Sequence[keras.callbacks.Callback],
    check_model: Callable[[TrainedModel], None] | None,
    init_from: str | os.PathLike[str] | None,
) -> TrainResult:
    config, length = experiment.model, experiment.training
    saved = checkpoint_files.newest(folder.checkpoints)
    run_record.check(saved, folder, experiment)
    strategy = make_strategy(length.distribution)
    check_batch_size(strategy, config.batch_size)
    parts = resolve_batch_parts(config, length, strategy.num_replicas_in_sync)
    goes_on = saved is not None or folder.config.exists()
    if saved is None:
        folder.forget_unbegun()
    elif init_from is not None:
        folder.check_init_from(init_from)
    preparation = run_record.preparation(saved, folder, experiment)
    data = open_data()
    dataset = data.dataset
    _check_enough(dataset.splits["train"], config.batch_size)
    epoch = steps_per_epoch(dataset.splits["train"], config.batch_size)
    with strategy.scope():
        state = _compiled_state(experiment, dataset, preparation, epoch)
    state.model.batch_parts = parts
    state = dataclasses.replace(
        state, record=run_record.make(experiment, preparation, state.model)
    )
    if check_model is not None:
        check_model(TrainedModel(state.model, experiment, preparation, folder))
    if saved is None:
        initialize(state.model, experiment, preparation, dataset, init_from)
    print(_describe(dataset), flush=True)
    for setting in config.idle:
        note(f"changes nothing in this run: {setting}")
    # The configuration last: it says that there is a run.
    with writing(folder.data):
        data = data.record(folder, 0 if saved is None else saved.step)
    source = None if init_from is None else os.fspath(init_from)
    folder.start(
        experiment,
        dataset.image_shape,
        state.model.class_names,
        preparation,
        {"init_from": source} if saved is None else {},
    )
    checkpoints = Checkpoints(
        state,
        folder.checkpoints,
        length.keep_checkpoints,
        length.checkpoint_seconds,
    )
    checkpoints.restore()
    run = Run(experiment, preparation, dataset, state, folder, epoch)
    stretched = run.stretch_schedules()
    if goes_on:
        print(run.describe_start() + stretched, flush=True)
    received = run.fit(checkpoints, callbacks)
    if received is None:
        check_not_all_skipped(state)
    trained = _hand_over(run)
    summary = _summary(run, strategy.num_replicas_in_sync, data.changes)
    summary |= {"weights": trained.weights, "weights_step": trained.step}
    folder.results.update({"training": summary})
    return TrainResult(received, summary, dataset, trained)


def _check_enough(split: Split, batch_size: int) -> None:
    if split.num_images < batch_size:
        raise UserError(
            "A batch must not be larger than the training split, which has "
            f"{counted(split.num_images, 'image')}: give "
            f"--config.batch_size={split.num_images} or less. "
            f"Received: --config.batch_size={batch_size}"
        )


def _describe(dataset: ImageDataset) -> str:
    """Returns a line on the images: how many, of which classes and size."""
    sizes = {name: s.num_images for name, s in dataset.splits.items()}
    total = counted(sum(sizes.values()), "image")
    parts = ", ".join(f"{size:,} {name}" for name, size in sizes.items())
    lines = [f"{total}: {parts}"]
    names = dataset.class_names
    if names:
        classes = counted(len(names), "class", "classes")
        lines.append(f"{classes}: {first_names(names)}")
    lines.append("shape " + "x".join(map(str, dataset.image_shape)))
    return "; ".join(lines)


def _summary(
    run: Run, num_replicas: int, changes: Sequence[str]
) -> dict[str, Any]:
    """Returns what was done, as it stands in `results.json`."""
    state = run.state
    summary = {
        "steps": state.step,
        "epochs": round(state.step / run.epoch, 3),
        "minutes": round(float(state.elapsed.numpy()) / 60, 3),
        "num_parameters": sum(
            math.prod(v.shape) for v in state.model.trainable_variables
        ),
        "jit_compile": bool(state.model.jit_compile),
        "num_replicas": num_replicas,
        "batch_parts": state.model.batch_parts,
        **run.preparation.protocol(),
        "precision": run.preparation.precision,
    }
    if np.isfinite(state.best_loss.numpy()):
        summary["best_step"] = int(state.best_step.numpy())
        summary["best_val_loss"] = float(state.best_loss.numpy())
    if changes:
        summary["data_changes"] = changes
    return summary


def _hand_over(run: Run) -> TrainedModel:
    """Returns the model of a run that ended, and writes it to `model.keras`."""
    folder, state = run.folder, run.state
    if folder.model.exists():
        return load_trained(folder.path)
    weights = chosen_weights(run.experiment)
    if not np.isfinite(state.best_loss.numpy()):
        weights = "last"
    model = build_model(
        run.experiment.model,
        run.dataset.image_shape,
        **run.preparation.model_options(),
        total_steps=int(state.total_steps.numpy()),
        class_names=state.model.class_names,
    )
    values = state.values(weights)
    for name, variable in named_variables(model).items():
        variable.assign(values[name])
    best = weights == "best"
    trained = TrainedModel(
        model,
        run.experiment,
        run.preparation,
        folder,
        step=int(state.best_step.numpy()) if best else state.step,
        last_step=state.step,
        weights=weights,
    )
    with writing(folder.model):
        write_model(trained, folder.model)
    return trained


def _compiled_state(
    experiment: ExperimentConfig,
    dataset: ImageDataset,
    preparation: Preparation,
    epoch: int,
) -> TrainingState:
    length = experiment.training
    timed = length.max_minutes is not None
    state = make_state(
        experiment.model,
        dataset.image_shape,
        **preparation.model_options(),
        total_steps=None if timed else epoch * length.epochs,
        num_examples=dataset.splits["train"].num_images,
        precision=preparation.precision,
        class_names=resolve_classes(experiment.model, dataset.class_names),
    )
    state.model.compile(
        optimizer=state.optimizer,
        steps_per_execution=_steps_per_execution(
            epoch, tf.distribute.get_strategy().num_replicas_in_sync
        ),
        jit_compile=resolve_jit(length.jit_compile),
    )
    return state


def _steps_per_execution(epoch: int, num_replicas: int) -> int:
    """Returns about 16, so that executions overrun the epoch by little.

    With several replicas it is 1: Keras's loop over steps fails there with
    "You must feed a value for placeholder tensor" (Keras 3.15, TensorFlow
    2.21, two CPU devices).
    """
    if num_replicas > 1:
        return 1
    return math.ceil(epoch / math.ceil(epoch / _STEPS_PER_EXECUTION))
