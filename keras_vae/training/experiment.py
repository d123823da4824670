"""One experiment: data, model and training."""

import dataclasses
import json
from typing import Any

from keras_vae.config import ModelConfig, TrainingConfig
from keras_vae.config.data_config import canonical_name
from keras_vae.config.migration import SCHEMA, migrate
from keras_vae.config.plugins import import_parts, imports_of
from keras_vae.config.registry import from_dict
from keras_vae.data import DataConfig
from keras_vae.training import config_values
from keras_vae.training.preparation import Preparation, prepare

__all__ = ["ExperimentConfig"]

# Where data lie, not what they are: a run may go on with them elsewhere.
_LOCATIONS = ("data_dir", "manual_dir")

# What is kept of a run, and how long it is, which may become more.
_KEEPING = ("keep_checkpoints", "checkpoint_seconds")
_LENGTHS = ("epochs", "max_minutes")


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

    def prepare(self) -> Preparation:
        """Decides what `auto` stands for in it, today and on this machine.

        Raises:
            UserError: If the likelihood and the preparation exclude each other.
        """
        return prepare(self.data, self.model, self.training)

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

        It is `to_dict` without what is kept of a run, without its length, and
        without where its parts and its data lie, unless these have no other
        name.
        """
        config = self.to_dict()
        del config["imports"]
        if self.data.dataset != "image_folder":
            for name in _LOCATIONS:
                del config["data"][name]
        for name in (*_KEEPING, *_LENGTHS):
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
