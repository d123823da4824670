"""`train` and `load`: how a person comes by a `TrainedRun`."""

import dataclasses
import os
from typing import Any

from keras_vae.config import ModelConfig, TrainingConfig
from keras_vae.config.registry import lookup
from keras_vae.data import DataConfig
from keras_vae.errors import did_you_mean
from keras_vae.training import ExperimentConfig, load_trained
from keras_vae.training import train as train_experiment
from keras_vae.use.trained_run import TrainedRun

__all__ = ["load", "make_experiment", "train"]


def train(
    dataset: str = "mnist",
    model: str = "vae",
    workdir: str | os.PathLike[str] | None = None,
    *,
    resume: bool = True,
    init_from: str | os.PathLike[str] | None = None,
    accept_changed_data: bool = False,
    **settings: Any,
) -> TrainedRun:
    """Trains a model, or goes on with a run that was cut off.

    It is what `apps/train.py` does before it draws, evaluates and exports; the
    same call after an interruption goes on.

    Args:
        dataset: As `DataConfig.dataset`.
        model: Name of the model.
        workdir: The run folder; `runs/<dataset>_<model>` unless given.
        resume: Whether to go on with a run that the folder holds.
        init_from: A run folder or `model.keras` whose weights are the first
            ones, as far as they fit.
        accept_changed_data: Whether to go on where the images have changed.
        **settings: Those of `DataConfig`, `TrainingConfig` and the model's
            configuration, by their names; a part by its name, or as a mapping
            of its settings. `seed` is of data and training.

    Raises:
        ValueError: If there is no such setting.
        UserError: If the model cannot be trained as asked.

    Example:
        >>> run = keras_vae.train(
        ...     "mnist_5k", latent_dim=8, epochs=5, architecture="dense"
        ... )
        >>> images = run.sample(64, seed=0)
    """
    experiment = make_experiment(dataset, model, **settings)
    if workdir is None:
        name = f"{experiment.data.dataset.replace('/', '_')}_{model}"
        workdir = os.path.join("runs", name)
    result = train_experiment(
        experiment,
        workdir,
        resume=resume,
        init_from=init_from,
        accept_changed_data=accept_changed_data,
    )
    return TrainedRun(result.trained, result.dataset)


def load(
    workdir: str | os.PathLike[str], weights: str | None = None
) -> TrainedRun:
    """Loads the model of a run.

    Args:
        workdir: The run folder, or its `model.keras` alone.
        weights: `last`, or `best`: those of the lowest `val_loss`. None: the
            best of a run with `patience`, and else the last.

    Raises:
        UserError: If there is no such run, or it was not trained yet.

    Example:
        >>> run = keras_vae.load("runs/mnist_vae")
        >>> latents = run.encode(images)
    """
    return TrainedRun(load_trained(workdir, weights))


def make_experiment(
    dataset: str, model: str, **settings: Any
) -> ExperimentConfig:
    """Returns the experiment of settings, each by its name alone.

    Raises:
        ValueError: If there is no such setting.
        UserError: If a value is not possible.
    """
    kinds: tuple[Any, ...] = (
        DataConfig,
        lookup("model", model),
        TrainingConfig,
    )
    names = [{f.name for f in dataclasses.fields(kind)} for kind in kinds]
    known = set().union(*names) - {"dataset"}
    for name, value in settings.items():
        if name not in known:
            raise ValueError(
                f"There is no such setting. {did_you_mean(name, known)} "
                f"Received: {name}={value!r}"
            )
    given = {"dataset": dataset, **settings}
    data, config, training = (
        kind(**{n: v for n, v in given.items() if n in own})
        for kind, own in zip(kinds, names, strict=True)
    )
    assert isinstance(config, ModelConfig)
    return ExperimentConfig(data, config, training)
