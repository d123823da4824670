"""What is minimised where log p(x) is computed and not bounded."""

from typing import Any

import keras
import tensorflow as tf

from keras_vae.config import BuildContext, LogLikelihoodConfig
from keras_vae.objectives.context import ObjectiveContext
from keras_vae.objectives.inference import Inference

__all__ = ["LogLikelihood", "build"]


@keras.saving.register_keras_serializable(package="keras_vae")
class LogLikelihood:
    """The negative log-likelihood, `L = -log p(x)`, of an exact one."""

    def __call__(
        self, inference: Inference, context: ObjectiveContext
    ) -> tf.Tensor:
        """Returns the loss of each image, `[batch]`, nats."""
        del context  # The same at every step.
        return -inference.log_likelihood

    def kl_weight(self, step: tf.Tensor) -> tf.Tensor:
        """Returns 0: there is no KL."""
        del step
        return tf.constant(0.0)

    def draws(self, step: tf.Tensor) -> None:
        """Returns None: nothing is drawn."""
        del step

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "LogLikelihood":
        return cls(**config)


def build(config: LogLikelihoodConfig, context: BuildContext) -> LogLikelihood:
    """Returns the objective of a configuration."""
    del config, context  # It has no settings.
    return LogLikelihood()
