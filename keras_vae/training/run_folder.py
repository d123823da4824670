"""The folder of a run: its files, and who may write them."""

import contextlib
import dataclasses
import json
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keras_vae.config import TrainingConfig, differences
from keras_vae.config.migration import SCHEMA
from keras_vae.errors import UserError
from keras_vae.io import local_files, locks
from keras_vae.io.failures import not_writable, writing
from keras_vae.notes import note
from keras_vae.training import config_values
from keras_vae.training.experiment import ExperimentConfig
from keras_vae.training.origin import origin
from keras_vae.training.preparation import Preparation
from keras_vae.training.results import Results

__all__ = ["RunFolder", "check_schema", "write_json"]

_ORIGIN = ("versions", "command", "machine", "init_from")


class RunFolder:
    """The folder that holds everything that happened in a run.

    Attributes:
        path: The folder.
        config: `config.json`, what was asked for.
        data: `data.json`, what the images were.
        checkpoints: The last checkpoints.
        model: `model.keras`, the model as it was left.
        tensorboard: Event files.
        results: `results.json`, what was measured.
        pictures: PNG files.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = local_files.check_local("workdir", path)
        self.config = self.path / "config.json"
        self.data = self.path / "data.json"
        self.checkpoints = self.path / "checkpoints"
        self.model = self.path / "model.keras"
        self.tensorboard = self.path / "tensorboard"
        self.results = Results(self.path / "results.json")
        self.pictures = self.path / "pictures"

    def start(
        self,
        experiment: ExperimentConfig,
        image_shape: tuple[int, ...],
        class_names: Sequence[str] = (),
        preparation: Preparation | None = None,
        began: Mapping[str, Any] | None = None,
    ) -> None:
        """Makes the folder with its configuration, if it is not there.

        What made the run stays as it was when it began.

        Args:
            experiment: What is going to run here.
            image_shape: (height, width, channels) of the images.
            class_names: The classes of a conditional model.
            preparation: What `auto` stands for; decided here unless given.
            began: What else to keep of how it began, by the names of
                arguments of `train`.

        Raises:
            UserError: If the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            preparation = preparation or experiment.prepare()
            content = {
                **experiment.to_dict(),
                "image_shape": image_shape,
                "class_names": class_names,
                "preparation": dataclasses.asdict(preparation),
                **origin(),
                **(began or {}),
            }
            if self.config.exists():
                before = self._load_config()
                content |= {k: before[k] for k in _ORIGIN if k in before}
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

    def check_init_from(self, source: str | os.PathLike[str]) -> None:
        """Checks that a run that goes on began with these weights.

        Args:
            source: Where weights are to be taken from.

        Raises:
            UserError: If it began with others; a run of an older version does
                not say, and a line says so.
        """
        content: dict[str, Any] = {}
        if self.config.exists():
            with self._naming_the_file():
                content = self._load_config()
        if "init_from" not in content:
            note(
                f"init_from={os.fspath(source)} does nothing: the run goes on "
                "from its own checkpoint, and does not say what it began from"
            )
            return
        known = content["init_from"]
        if isinstance(known, str) and _same_path(known, source):
            return
        began = f"from {known}" if known else "without it"
        raise UserError(
            f"The run in the folder began {began} and goes on from its own "
            "checkpoint: leave --init_from out, or choose another --workdir "
            f"for a new run. Received: --init_from={os.fspath(source)} "
            f"--workdir={self.path}"
        )

    def load_preparation(self) -> Preparation:
        """Returns what `auto` stood for when the run began.

        A run of schema 1 does not say: then it is decided by the rule of that
        version, and a line says so.

        Raises:
            UserError: If there is no run in the folder, or it says nonsense.
        """
        experiment = self.load_experiment()  # Knows parts of the user's own.
        with self._naming_the_file():
            content = self._load_config()
            if content.get("schema", 1) > 1:
                return config_values.build(
                    Preparation,
                    "preparation",
                    config_values.section(content, "preparation"),
                    complete=True,
                )
        decided = experiment.prepare()
        values = ", ".join(f"{k}={v}" for k, v in decided.protocol().items())
        note(
            f"{self.config} is of an older version and does not say what auto "
            f"stood for: it is taken to be {values}"
        )
        return decided

    def _load_config(self) -> dict[str, Any]:
        if not self.config.exists():
            raise UserError(
                "No run found: a run folder holds config.json, and "
                "apps/train.py makes one. "
                f"Received: --workdir={self.path}"
            )
        content = local_files.read_json(self.config)
        if not isinstance(content, dict):
            raise UserError(f"It must be an object. Received: {content!r:.60}")
        check_schema(content, self.config)
        return content

    @contextlib.contextmanager
    def _naming_the_file(self) -> Iterator[None]:
        try:
            yield
        except UserError as error:
            if not self.config.exists():
                raise
            where = f" in {self.config}"
            if str(self.config) in str(error):
                where = ""
            raise UserError(
                f"The configuration of the run cannot be read: {error}{where}"
            ) from error

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
        self.results.load()  # Or it would be said when all is done.
        if not self._is_taken():
            self._check_writable()
            return
        if not resume:
            raise UserError(
                "The run folder already holds a run: choose another --workdir, "
                "or leave out --noresume to continue it. "
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
        self._check_length(old.training, new.training)

    def _check_length(self, old: TrainingConfig, new: TrainingConfig) -> None:
        """Raises UserError if a run would become shorter than it was."""
        name = "epochs" if new.max_minutes is None else "max_minutes"
        before, now = getattr(old, name), getattr(new, name)
        other = "max_minutes" if name == "epochs" else "epochs"
        if (name == "epochs" and old.max_minutes is not None) or before is None:
            raise UserError(
                f"The run is one of --{other}, and its length cannot be "
                f"counted in {name}: give more of those to go on longer. "
                f"Received: --{name}={now}"
            )
        if now < before:
            raise UserError(
                f"The run has --{name}={before:g}, and a run can only become "
                "longer: give at least as much, or choose another --workdir. "
                f"Received: --{name}={now:g}"
            )


def _same_path(
    known: str | os.PathLike[str], given: str | os.PathLike[str]
) -> bool:
    return os.path.abspath(known) == os.path.abspath(given)


def check_schema(content: dict[str, Any], path: pathlib.Path) -> None:
    """Raises UserError if a file is of a version that is not known here."""
    schema = content.get("schema", 1)
    if type(schema) is not int or not 1 <= schema <= SCHEMA:
        raise UserError(
            f"It is of schema {schema!r:.20}, and this version of the package "
            f"reads 1 ... {SCHEMA}: use the version that wrote it. "
            f"Received: {path}"
        )


def write_json(path: pathlib.Path, content: dict[str, Any]) -> None:
    """Writes `content` so that the file is old or new, never half of it."""
    local_files.write_text(path, json.dumps(content, indent=2) + "\n")
