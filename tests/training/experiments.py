"""Experiments so small that a test can train them."""

import contextlib
import os
import pathlib
import shutil
import signal
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.config import (
    DenseConfig,
    HierarchicalConfig,
    ModelConfig,
    NVAEConfig,
    TrainingConfig,
    VAEConfig,
)
from keras_vae.data import DataConfig, ImageDataset
from keras_vae.data.image_dataset import ArraySplit
from keras_vae.training import ExperimentConfig
from keras_vae.training.state import TrainingState, make_state
from keras_vae.training.tensorboard import TensorBoard

__all__ = [
    "BATCH_SIZE",
    "STEPS_PER_EPOCH",
    "CopyAt",
    "EndAtOnce",
    "SignalAt",
    "checkpoint_values",
    "make_dataset",
    "make_experiment",
    "make_hierarchical_experiment",
    "make_nvae_experiment",
    "make_trained_state",
    "without_pictures",
]

BATCH_SIZE = 8
# A prime, so that executions of 9 steps do not divide an epoch.
STEPS_PER_EPOCH = 17
_SHAPE = (6, 6, 1)
# In a checkpoint: what differs between equal runs, and what are no numbers.
_PASSING = ("elapsed", "save_counter", "experiment", "_CHECKPOINTABLE")


def make_dataset(
    num_train: int = BATCH_SIZE * STEPS_PER_EPOCH + 3,
) -> ImageDataset:
    """Returns bright and dark stripes with noise, and their splits."""
    random = np.random.RandomState(0)
    splits = {}
    for name, size in (("train", num_train), ("validation", 40), ("test", 40)):
        stripes = random.randint(0, 2, (size, 1, _SHAPE[1], 1)) * 180
        noise = random.randint(0, 60, (size, *_SHAPE))
        splits[name] = ArraySplit((stripes + noise).astype(np.uint8))
    return ImageDataset("mnist_5k", _SHAPE, None, splits)


def make_experiment(
    training: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
    kind: type[ModelConfig] = VAEConfig,
    **model: Any,
) -> ExperimentConfig:
    """Returns a dense VAE of two latent dimensions, 4 epochs of 17 steps.

    Args:
        training: Other values for `TrainingConfig`.
        data: Other values for `DataConfig`.
        kind: Another model of one latent vector.
        **model: Other values for `kind`.
    """
    config = kind(
        **{
            "architecture": DenseConfig((12,)),
            "latent_dim": 2,
            "batch_size": BATCH_SIZE,
            "clip_norm": 5.0,
            "ema_momentum": 0.9,
            **model,
        }
    )
    return _experiment(config, training, data)


def make_hierarchical_experiment(
    training: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
    **model: Any,
) -> ExperimentConfig:
    """Returns a hierarchy of three groups; as `make_experiment`."""
    config = HierarchicalConfig(
        **{
            "filters": (4,),
            "bottlenecks": (3,),
            "encoder_blocks": (1,),
            "decoder_blocks": (0,),
            "num_groups": (2,),
            "latent_channels": 2,
            "top_latent_dim": 3,
            "dense_units": 8,
            "dense_groups": 0,
            "batch_size": BATCH_SIZE,
            "ema_momentum": 0.9,
            **model,
        }
    )
    return _experiment(config, training, data)


def make_nvae_experiment(
    training: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
    **model: Any,
) -> ExperimentConfig:
    """Returns an NVAE of two groups, with averages; as `make_experiment`."""
    config = NVAEConfig(
        **{
            "channels": 4,
            "pad": 0,
            "num_scales": 1,
            "num_groups": 2,
            "num_blocks": 0,
            "latent_channels": 2,
            "batch_size": BATCH_SIZE,
            "ema_momentum": 0.9,
            **model,
        }
    )
    return _experiment(config, training, data)


def _experiment(
    model: ModelConfig,
    training: dict[str, Any] | None,
    data: dict[str, Any] | None,
) -> ExperimentConfig:
    return ExperimentConfig(
        DataConfig(**{"dataset": "mnist_5k", **(data or {})}),
        model,
        TrainingConfig(
            **{"epochs": 4, "precision": "float32", **(training or {})}
        ),
    )


def make_trained_state(experiment: ExperimentConfig) -> TrainingState:
    """Returns what a checkpoint of the experiment's run holds."""
    return make_state(
        experiment.model,
        _SHAPE,
        likelihood="bernoulli",
        total_steps=experiment.training.epochs * STEPS_PER_EPOCH,
        seed=experiment.training.seed,
        precision="float32",
    )


@contextlib.contextmanager
def without_pictures() -> Iterator[None]:
    """Trains without what TensorBoard draws, which takes as long as a run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TensorBoard, "_latents", lambda *_: None)
        yield


def checkpoint_values(folder: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Returns all numbers in the last checkpoint but times.

    Args:
        folder: The run folder.
    """
    path = tf.train.latest_checkpoint(str(pathlib.Path(folder) / "checkpoints"))
    reader = tf.train.load_checkpoint(path)
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if not name.startswith(_PASSING)
    }


class CopyAt(keras.callbacks.Callback):
    """Copies the folder of a run before the execution at a step.

    The copy is a run that was cut off at that instant. Where there is a
    checkpoint after each execution, it goes on from that step.

    Args:
        step: The step.
        folder: The run folder.
        copy: Where the copy goes.
    """

    def __init__(self, step: int, folder: pathlib.Path, copy: pathlib.Path):
        super().__init__()
        self.step = step
        self.folder = folder
        self.copy = copy

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if int(self.model.optimizer.iterations.numpy()) == self.step:
            shutil.copytree(self.folder, self.copy)


class EndAtOnce(keras.callbacks.Callback):
    """Ends a run by a KeyboardInterrupt before its first step."""

    def on_train_begin(self, logs: Any = None) -> None:
        raise KeyboardInterrupt


class SignalAt(keras.callbacks.Callback):
    """Sends this process a signal before the execution at a step.

    Args:
        step: The first step that is late enough.
        number: The signal.
    """

    def __init__(self, step: int, number: int = signal.SIGTERM):
        super().__init__()
        self.step = step
        self.number = number

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if int(self.model.optimizer.iterations.numpy()) >= self.step:
            self.step = 2**62
            os.kill(os.getpid(), self.number)
