"""One experiment: data, model and training, and its run folder."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from keras_vae.config import ModelConfig, TrainingConfig, differences
from keras_vae.data import DataConfig
from keras_vae.data.config import canonical_name
from keras_vae.errors import UserError
from keras_vae.model_configs import model_config_from_dict

__all__ = ["ExperimentConfig", "RunFolder"]

# Where data lie, not what they are: a run may go on with them elsewhere.
_LOCATIONS = ("data_dir", "manual_dir")

# What is kept of a run, not what it does.
_KEEPING = ("keep_checkpoints", "checkpoint_seconds")


@dataclasses.dataclass(frozen=True)
class ExperimentConfig:
    """All that determines a run.

    Attributes:
        data: Which images, and how they are prepared.
        model: What is trained.
        training: How long, where and how.
    """

    data: DataConfig
    model: ModelConfig
    training: TrainingConfig

    def to_dict(self) -> dict[str, Any]:
        """Returns nested dicts that JSON can hold."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> "ExperimentConfig":
        """Returns the experiment that `to_dict` described."""
        data = dict(config["data"])
        if data.get("resize") is not None:
            data["resize"] = tuple(data["resize"])
        name = str(data.get("dataset", "mnist"))
        is_auto = data.get("binarization") == "auto"
        if is_auto and name != canonical_name(name):
            # An older version took "MNIST" for a dataset without a default.
            data["binarization"] = "none"
        return cls(
            DataConfig(**data),
            model_config_from_dict(config["model"]),
            TrainingConfig(**config["training"]),
        )


class RunFolder:
    """The folder that holds everything that happened in a run.

    Attributes:
        path: The folder.
        config: `config.json`, what was asked for.
        checkpoints: The last checkpoints; `best/` holds the best one.
        tensorboard: Event files.
        results: `results.json`, what was measured.
        pictures: PNG files.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = pathlib.Path(path)
        self.config = self.path / "config.json"
        self.checkpoints = self.path / "checkpoints"
        self.tensorboard = self.path / "tensorboard"
        self.results = self.path / "results.json"
        self.pictures = self.path / "pictures"

    def start(
        self,
        experiment: ExperimentConfig,
        image_shape: tuple[int, ...],
        class_names: Sequence[str] = (),
    ) -> None:
        """Makes the folder with its configuration, if it is not there.

        Args:
            experiment: What is going to run here.
            image_shape: (height, width, channels) of the images.
            class_names: The classes of a conditional model.

        Raises:
            UserError: If the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            content = {
                **experiment.to_dict(),
                "image_shape": image_shape,
                "class_names": class_names,
            }
            write_json(self.config, content)
        except OSError as error:
            raise self._not_writable(str(error.strerror)) from error

    def _check_writable(self) -> None:
        """Raises UserError where `start` could not make the folder."""
        nearest = self.path
        while not nearest.exists() and nearest != nearest.parent:
            nearest = nearest.parent
        if not nearest.is_dir():
            raise self._not_writable(f"{nearest} is a file")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise self._not_writable(f"no permission in {nearest}")

    def _not_writable(self, why: str) -> UserError:
        return UserError(
            "The run folder cannot be written: choose another --workdir. "
            f"Received: --workdir={self.path} ({why})"
        )

    def load_image_shape(self) -> tuple[int, int, int]:
        """Returns (height, width, channels) of the images of the run."""
        height, width, channels = json.loads(self.config.read_text())[
            "image_shape"
        ]
        return height, width, channels

    def load_class_names(self) -> tuple[str, ...]:
        """Returns the classes of a conditional model; none of another."""
        content = json.loads(self.config.read_text())
        return tuple(content.get("class_names", ()))

    def load_experiment(self) -> ExperimentConfig:
        """Reads `config.json`.

        Raises:
            UserError: If there is no run in the folder.
        """
        if not self.config.exists():
            raise UserError(
                "No run found: a run folder holds config.json, and "
                "apps/train.py makes one. "
                f"Received: --workdir={self.path}"
            )
        try:
            return ExperimentConfig.from_dict(
                json.loads(self.config.read_text())
            )
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(
                f"The configuration of the run cannot be read: {error}. "
                f"Received: {self.config}"
            ) from error

    def update_results(self, results: dict[str, Any]) -> None:
        """Adds entries to `results.json`, which is replaced as a whole.

        Raises:
            UserError: If the file that is there is not JSON.
        """
        old = {}
        if self.results.exists():
            try:
                old = json.loads(self.results.read_text())
            except ValueError as error:
                raise UserError(
                    "The results of the run cannot be read, move the file "
                    f"away: {error}. Received: {self.results}"
                ) from error
        write_json(self.results, {**old, **results})

    def check(self, experiment: ExperimentConfig, resume: bool = True) -> None:
        """Checks that the folder is free for this experiment, or holds it.

        Args:
            experiment: What is going to run here.
            resume: If False, the folder must not hold a run yet.

        Raises:
            UserError: If it holds the run of another configuration, or any run
                where `resume` is False, or cannot be written.
        """
        if not self.config.exists():
            self._check_writable()
            return
        if not resume:
            raise UserError(
                "The run folder already holds a run: choose another --workdir, "
                "or leave --resume on to go on with it. "
                f"Received: --noresume --workdir={self.path}"
            )
        old, new = self.load_experiment().to_dict(), experiment.to_dict()
        for config in (old, new):
            for name in _LOCATIONS:
                if config["data"]["dataset"] != "image_folder":
                    config["data"][name] = None
            for name in _KEEPING:
                config["training"][name] = None
        changed = differences(old, new)
        if changed:
            raise UserError(
                f"The run folder {self.path} holds a run of another "
                "configuration: choose another --workdir, or repeat the "
                f"old values. Received: {'; '.join(changed)}"
            )


def write_json(path: pathlib.Path, content: dict[str, Any]) -> None:
    """Writes `content` so that the file is old or new, never half of it."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(content, indent=2) + "\n")
    partial.replace(path)
