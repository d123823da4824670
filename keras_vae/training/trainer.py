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

from keras_vae.config import (
    ModelConfig,
    resolve_classes,
    resolve_likelihood,
)
from keras_vae.data import (
    MAX_BITS,
    DataConfig,
    ImageDataset,
    Split,
    default_binarization,
    evaluation_batches,
    steps_per_epoch,
)
from keras_vae.errors import UserError
from keras_vae.failures import translated
from keras_vae.models import GenerativeModel
from keras_vae.training import checkpoint_files, run_record
from keras_vae.training.callbacks import Checkpoints
from keras_vae.training.experiment import ExperimentConfig, RunFolder
from keras_vae.training.run import EVALUATION_BATCH_SIZE, Run
from keras_vae.training.run_data import RunData, open_run_data
from keras_vae.training.state import TrainingState, make_state
from keras_vae.training.strategy import (
    check_batch_size,
    make_strategy,
    resolve_batch_parts,
    resolve_jit,
    resolve_precision,
)
from keras_vae.units import DENSITY_NATS, NATS, SQUARED_ERROR

__all__ = ["TrainResult", "load_trained", "resolve_data", "train"]

_STEPS_PER_EXECUTION = 16
_IMAGES_FOR_MEAN = 10_000


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """How a call of `train` ended.

    Attributes:
        interrupted: Name of the signal that ended it early, or None.
        summary: What was done, as it stands in `results.json`.
        dataset: The images that it was trained on.
    """

    interrupted: str | None
    summary: dict[str, Any]
    dataset: ImageDataset = dataclasses.field(repr=False)


def resolve_data(config: DataConfig, model: ModelConfig) -> dict[str, str]:
    """Returns what `auto` stands for in the preparation of the images.

    Returns:
        `binarization`, `dequantization` and `likelihood`. Images that are not
        binarized are dequantized with uniform noise where the likelihood is a
        density, so that a bound on it is one on the levels (Theis et al. 2016,
        section 3.1); not for a plain autoencoder. `unit` is that of every
        log-likelihood and bound, or of an autoencoder's error.

    Raises:
        UserError: If the likelihood and the preparation exclude each other.
    """
    binarization = config.binarization
    if binarization == "auto":
        binarization = default_binarization(config.dataset)
        coarser = config.num_bits < MAX_BITS
        grey = model.likelihood.support not in ("", "binary")
        if model.name == "autoencoder" or grey or coarser:
            binarization = "none"
    likelihood = resolve_likelihood(model, binarization)
    levels = model.resolved_likelihood(likelihood).support == "levels"
    dequantization = config.dequantization
    if dequantization == "auto":
        density = binarization == "none" and model.name != "autoencoder"
        dequantization = "uniform" if density and not levels else "none"
    if levels and (binarization, dequantization) != ("none", "none"):
        raise _not_levels(likelihood, binarization, dequantization)
    return {
        "binarization": binarization,
        "dequantization": dequantization,
        "likelihood": likelihood,
        "unit": _unit(model, binarization, dequantization, levels),
    }


def _unit(
    model: ModelConfig, binarization: str, dequantization: str, levels: bool
) -> str:
    if model.name == "autoencoder":
        return SQUARED_ERROR
    if binarization != "none" or dequantization != "none" or levels:
        return NATS
    return DENSITY_NATS


def _not_levels(
    likelihood: str, binarization: str, dequantization: str
) -> UserError:
    return UserError(
        f"The likelihood {likelihood} is of images as their levels are: use "
        "--binarization=none --dequantization=none. Received: "
        f"--binarization={binarization} --dequantization={dequantization}"
    )


def train(
    experiment: ExperimentConfig,
    workdir: str | os.PathLike[str],
    *,
    resume: bool = True,
    accept_changed_data: bool = False,
    dataset: ImageDataset | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    check_model: Callable[[GenerativeModel], None] | None = None,
) -> TrainResult:
    """Trains a model with `fit`, or goes on with a run that was cut off.

    All input is checked before anything is left in the run folder, which no
    other process can train in meanwhile. The same call after a kill resumes at
    the step of the last checkpoint that is whole, says so, and repeats what
    the uninterrupted run would have done.

    Args:
        experiment: Data, model and training.
        workdir: The run folder; see `RunFolder`.
        resume: Whether to go on with a run that the folder holds.
        accept_changed_data: Whether to go on with it where the images are not
            those that it began with; see `open_run_data`.
        dataset: The images, where they are loaded already.
        callbacks: Further Keras callbacks; they come last.
        check_model: Called with the model before the run folder is touched;
            raises what speaks against training it.

    Raises:
        UserError: If the experiment cannot be run as asked, or another process
            trains in the folder.
        StorageError: If the run folder can no longer be written.
        OutOfMemoryError: If there is not enough memory.
        DivergedError: If the loss is not finite.
    """
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
        return _train(experiment, folder, open_data, callbacks, check_model)


def _train(
    experiment: ExperimentConfig,
    folder: RunFolder,
    open_data: Callable[[], RunData],
    callbacks: Sequence[keras.callbacks.Callback],
    check_model: Callable[[GenerativeModel], None] | None,
) -> TrainResult:
    config, length = experiment.model, experiment.training
    saved = checkpoint_files.newest(folder.checkpoints)
    run_record.check(saved, folder, experiment)
    strategy = make_strategy(length.distribution)
    check_batch_size(strategy, config.batch_size)
    parts = resolve_batch_parts(config, length, strategy.num_replicas_in_sync)
    resolved = resolve_data(experiment.data, config)
    data = open_data()
    dataset = data.dataset
    epoch = steps_per_epoch(dataset.splits["train"], config.batch_size)
    resolved["precision"] = resolve_precision(length.precision, config)
    with strategy.scope():
        state = _compiled_state(experiment, dataset, resolved, epoch)
    state.model.batch_parts = parts
    state = dataclasses.replace(
        state, record=run_record.make(experiment, state.model)
    )
    goes_on = saved is not None or folder.config.exists()
    if check_model is not None:
        check_model(state.model)
    folder.start(experiment, dataset.image_shape, state.model.class_names)
    checkpoints = Checkpoints(
        state,
        folder.checkpoints,
        length.keep_checkpoints,
        length.checkpoint_seconds,
    )
    restored = checkpoints.restore()
    data = data.record(folder, state.step)
    if not restored and config.output_mean_bias:
        mean = _mean_image(dataset.splits["train"], experiment.data.num_bits)
        state.model.decoder.set_output_mean(mean)
    run = Run(experiment, resolved, dataset, state, folder, epoch)
    if goes_on:
        print(run.describe_start(), flush=True)
    received = run.fit(checkpoints, callbacks)
    summary = {
        "steps": state.step,
        "epochs": round(state.step / epoch, 3),
        "minutes": round(float(state.elapsed.numpy()) / 60, 3),
        "num_parameters": sum(
            math.prod(v.shape) for v in state.model.trainable_variables
        ),
        "jit_compile": bool(state.model.jit_compile),
        "num_replicas": strategy.num_replicas_in_sync,
        "batch_parts": parts,
        **resolved,
        **({"data_changes": data.changes} if data.changes else {}),
    }
    folder.update_results({"training": summary})
    return TrainResult(received, summary, dataset)


def load_trained(
    workdir: str | os.PathLike[str],
) -> tuple[GenerativeModel, ExperimentConfig]:
    """Returns the model of a run, in float32, with its averaged weights.

    With `patience` they are those of the lowest `val_loss`, else the last.

    Raises:
        UserError: If the folder holds no run, no checkpoint yet, none that is
            whole, or one of another experiment, or of another model than this
            version of the package makes.
    """
    folder = RunFolder(workdir)
    experiment = folder.load_experiment()
    shape, names = folder.load_image_shape(), folder.load_class_names()
    saved = run_record.best_or_last(folder, experiment)
    saved.warn()
    run_record.check(saved, folder, experiment)
    run_record.check_images(saved, shape, names)
    resolved = resolve_data(experiment.data, experiment.model)
    with translated():
        state = make_state(
            experiment.model,
            shape,
            likelihood=resolved["likelihood"],
            total_steps=None,
            seed=experiment.training.seed,
            precision="float32",
            num_bits=experiment.data.num_bits,
            dequantization=resolved["dequantization"],
            class_names=names,
        )
    try:
        # Without what the checkpoint has beyond the model being warned of.
        status = state.checkpoint().restore(saved.path).expect_partial()
        status.assert_existing_objects_matched()
    except (AssertionError, ValueError) as error:
        raise UserError(
            "The checkpoint does not fit the model: another version of the "
            "package wrote it. Use that version, or train again. "
            f"Received: {saved.path}"
        ) from error
    state.swap_averages()
    return state.model, experiment


def _compiled_state(
    experiment: ExperimentConfig,
    dataset: ImageDataset,
    resolved: dict[str, str],
    epoch: int,
) -> TrainingState:
    length = experiment.training
    timed = length.max_minutes is not None
    precision = resolved["precision"]
    state = make_state(
        experiment.model,
        dataset.image_shape,
        likelihood=resolved["likelihood"],
        total_steps=None if timed else epoch * length.epochs,
        seed=length.seed,
        precision=precision,
        num_bits=experiment.data.num_bits,
        dequantization=resolved["dequantization"],
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


def _mean_image(split: Split, num_bits: int) -> np.ndarray:
    """Returns the mean of (some of) the images in [0, 1], `[H, W, C]`."""
    batches = evaluation_batches(
        split,
        batch_size=EVALUATION_BATCH_SIZE,
        binarization="none",
        num_images=min(split.num_images, _IMAGES_FOR_MEAN),
        num_bits=num_bits,
    )
    total = sum(tf.reduce_sum(batch, axis=0) for batch in batches)
    return (total / min(split.num_images, _IMAGES_FOR_MEAN)).numpy()
