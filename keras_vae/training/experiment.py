"""One experiment: data, model and training, and its run folder."""

import contextlib
import dataclasses
import json
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

from keras_vae import local_files, locks
from keras_vae.config import ModelConfig, TrainingConfig, differences
from keras_vae.config.data_config import canonical_name
from keras_vae.config.migration import SCHEMA, migrate
from keras_vae.config.plugins import import_parts, imports_of
from keras_vae.config.registry import from_dict
from keras_vae.data import DataConfig
from keras_vae.errors import UserError
from keras_vae.failures import not_writable, writing
from keras_vae.training import config_values

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
        content = {
            "schema": SCHEMA,
            "imports": imports_of(self.model),
            "data": dataclasses.asdict(self.data),
            "model": self.model.to_dict(),
            "training": dataclasses.asdict(self.training),
        }
        return json.loads(json.dumps(content))

    def identity(self) -> dict[str, Any]:
        """Returns what a run cannot change and still be the same run.

        It is `to_dict` without what is kept of a run, and without where its
        parts and its data lie, unless these have no other name.
        """
        config = self.to_dict()
        del config["imports"]
        if self.data.dataset != "image_folder":
            for name in _LOCATIONS:
                del config["data"][name]
        for name in _KEEPING:
            del config["training"][name]
        return config

    @classmethod
    def from_dict(cls, config: Any) -> "ExperimentConfig":
        """Returns the experiment that `to_dict` described.

        Settings that are missing, as in one of an older version, stand at
        their defaults. The modules that its `imports` names are imported.

        Raises:
            UserError: If it describes none.
        """
        if isinstance(config, dict):
            import_parts(config_values.imports(config))
            config = migrate(config)
        data, model, training = (
            config_values.section(config, name)
            for name in ("data", "model", "training")
        )
        name = data.get("dataset")
        respelled = isinstance(name, str) and name != canonical_name(name)
        if respelled and data.get("binarization") == "auto":
            # An older version took "MNIST" for a dataset without a default.
            data = {**data, "binarization": "none"}
        return cls(
            config_values.build(DataConfig, "data", data),
            from_dict("model", model),
            config_values.build(TrainingConfig, "training", training),
        )


class RunFolder:
    """The folder that holds everything that happened in a run.

    Attributes:
        path: The folder.
        config: `config.json`, what was asked for.
        data: `data.json`, what the images were.
        checkpoints: The last checkpoints.
        best: `checkpoints/best`, those of the best validation loss.
        tensorboard: Event files.
        results: `results.json`, what was measured.
        pictures: PNG files.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = local_files.check_local("workdir", path)
        self.config = self.path / "config.json"
        self.data = self.path / "data.json"
        self.checkpoints = self.path / "checkpoints"
        self.best = self.checkpoints / "best"
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
            raise self._not_writable(error) from error

    def forget_unbegun(self) -> None:
        """Removes what a run that has no checkpoint says of itself.

        It was cut off before it trained a step, so the next one begins anew,
        with the images as they are then.
        """
        with writing(self.path):
            self.config.unlink(missing_ok=True)
            self.data.unlink(missing_ok=True)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the folder for this process; see `locks.hold`.

        Raises:
            UserError: If another process holds it, or it cannot be written.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locks.hold(self.path))
            except OSError as error:
                raise self._not_writable(error) from error
            yield

    def _check_writable(self) -> None:
        """Raises UserError where `start` could not make the folder."""
        nearest = self.path
        while not nearest.exists() and nearest != nearest.parent:
            nearest = nearest.parent
        if not nearest.is_dir():
            raise self._not_writable(OSError(f"{nearest} is a file"))
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise self._not_writable(OSError(f"no permission in {nearest}"))

    def _not_writable(self, error: OSError) -> UserError:
        return not_writable(
            "The run folder cannot be written: choose another --workdir.",
            f"--workdir={self.path}",
            error,
        )

    def load_image_shape(self) -> tuple[int, int, int]:
        """Returns (height, width, channels) of the images of the run.

        Raises:
            UserError: If there is no run in the folder, or no such shape.
        """
        with self._naming_the_file():
            return config_values.image_shape(self._load_config())

    def load_class_names(self) -> tuple[str, ...]:
        """Returns the classes of a conditional model; none of another.

        Raises:
            UserError: If there is no run in the folder, or they are no names.
        """
        with self._naming_the_file():
            return config_values.class_names(self._load_config())

    def load_experiment(self) -> ExperimentConfig:
        """Reads `config.json`.

        Raises:
            UserError: If there is no run in the folder.
        """
        with self._naming_the_file():
            return ExperimentConfig.from_dict(self._load_config())

    def _load_config(self) -> Any:
        if not self.config.exists():
            raise UserError(
                "No run found: a run folder holds config.json, and "
                "apps/train.py makes one. "
                f"Received: --workdir={self.path}"
            )
        return local_files.read_json(self.config)

    @contextlib.contextmanager
    def _naming_the_file(self) -> Iterator[None]:
        try:
            yield
        except UserError as error:
            if not self.config.exists():
                raise
            where = f" Received: {self.config}"
            if str(self.config) in str(error):
                where = ""
            raise UserError(
                f"The configuration of the run cannot be read: {error}{where}"
            ) from error

    def load_results(self) -> dict[str, Any]:
        """Reads `results.json`; nothing where it is missing.

        Raises:
            UserError: If it is damaged.
        """
        if not self.results.exists():
            return {}
        try:
            content = local_files.read_json(self.results)
        except UserError as error:
            raise self._damaged_results(str(error)) from error
        if not isinstance(content, dict):
            raise self._damaged_results("it is no object")
        return content

    def _damaged_results(self, why: str) -> UserError:
        return UserError(
            "The results of the run cannot be read, move the file away: "
            f"{why}. Received: {self.results}"
        )

    def update_results(self, results: dict[str, Any]) -> None:
        """Adds entries to `results.json`, which is replaced as a whole.

        Several processes may do so at a time.

        Raises:
            UserError: If the file that is there is damaged.
            StorageError: If it cannot be written.
        """
        with writing(self.results), locks.hold_briefly(self.results):
            write_json(self.results, {**self.load_results(), **results})

    def _is_taken(self) -> bool:
        held = self.checkpoints.is_dir() and any(self.checkpoints.iterdir())
        return self.config.exists() or held

    def check(self, experiment: ExperimentConfig, resume: bool = True) -> None:
        """Checks that the folder is free for this experiment, or holds it.

        Args:
            experiment: What is going to run here.
            resume: If False, the folder must not hold a run yet.

        Raises:
            UserError: If it holds the run of another configuration, or any run
                where `resume` is False, or cannot be written.
        """
        if not self._is_taken():
            self._check_writable()
            return
        if not resume:
            raise UserError(
                "The run folder already holds a run: choose another --workdir, "
                "or leave --resume on to go on with it. "
                f"Received: --noresume --workdir={self.path}"
            )
        if not self.config.exists():
            return  # The checkpoints say whose they are.
        old, new = self.load_experiment(), experiment
        changed = differences(old.identity(), new.identity())
        if changed:
            raise UserError(
                f"The run folder {self.path} holds a run of another "
                "configuration: choose another --workdir, or repeat the "
                f"old values. Received: {'; '.join(changed)}"
            )


def write_json(path: pathlib.Path, content: dict[str, Any]) -> None:
    """Writes `content` so that the file is old or new, never half of it."""
    local_files.write_text(path, json.dumps(content, indent=2) + "\n")
