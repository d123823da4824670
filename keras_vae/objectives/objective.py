"""What is minimised: a loss per image, made from an `Inference`."""

from typing import Any

import keras
import tensorflow as tf

from keras_vae.objectives.inference import Inference

__all__ = ["ELBO", "SquaredError"]

_SCHEDULE = keras.optimizers.schedules.LearningRateSchedule


def _weight(value: Any, step: tf.Tensor) -> tf.Tensor:
    if isinstance(value, _SCHEDULE):
        return value(step)
    return tf.constant(value, tf.float32)


@keras.saving.register_keras_serializable(package="keras_vae")
class ELBO:
    """The negative evidence lower bound, `-(log p(x|z) - beta KL)`.

    Args:
        beta: Weight of the KL, a number or a Keras `LearningRateSchedule` of
            the step (Higgins et al. 2017, beta-VAE, equation 4). 1 gives the
            bound of Kingma and Welling (2014), equation 8.
        free_bits: Nats of KL for each latent group and image that cost
            nothing: the KL of a group, averaged over the batch, counts only
            above this (Kingma et al. 2016, equation 15). With several
            replicas each of them averages its own share of the batch.
    """

    def __init__(self, beta: Any = 1.0, free_bits: float = 0.0):
        # Not any function: it could not be saved with the model.
        if not isinstance(beta, _SCHEDULE) and (
            callable(beta) or not 0 <= beta < float("inf")
        ):
            raise ValueError(
                "`beta` must be a finite number of at least 0, or a Keras "
                f"LearningRateSchedule. Received: beta={beta}"
            )
        if not 0 <= free_bits < float("inf"):
            raise ValueError(
                "`free_bits` must be a finite number of at least 0. "
                f"Received: free_bits={free_bits}"
            )
        self.beta = beta
        self.free_bits = free_bits

    def __call__(self, inference: Inference, step: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each image, `[batch]`, nats."""
        kl = inference.kl_divergence
        floor = self.free_bits
        if floor > 0 and inference.groups:
            kl = tf.add_n(
                [
                    tf.maximum(tf.reduce_mean(group.kl_divergence), floor)
                    for group in inference.groups
                ]
            )
        return self.kl_weight(step) * kl - inference.log_likelihood

    def kl_weight(self, step: tf.Tensor) -> tf.Tensor:
        """Returns beta at `step`, a float32 scalar."""
        return _weight(self.beta, step)

    def get_config(self) -> dict[str, Any]:
        beta = self.beta
        if isinstance(beta, _SCHEDULE):
            beta = keras.saving.serialize_keras_object(beta)
        return {"beta": beta, "free_bits": self.free_bits}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ELBO":
        config = dict(config)
        if isinstance(config["beta"], dict):
            config["beta"] = keras.saving.deserialize_keras_object(
                config["beta"]
            )
        return cls(**config)


@keras.saving.register_keras_serializable(package="keras_vae")
class SquaredError:
    """`L = ||x - x_hat||^2` with x_hat the likelihood's mean."""

    def __call__(self, inference: Inference, step: tf.Tensor) -> tf.Tensor:
        """Returns the squared error summed over each image, `[batch]`."""
        del step  # The same at every step.
        error = inference.image - inference.likelihood.mean()
        return tf.reduce_sum(tf.square(error), axis=[-3, -2, -1])

    def kl_weight(self, step: tf.Tensor) -> tf.Tensor:
        """Returns 0: there is no KL."""
        del step
        return tf.constant(0.0)

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "SquaredError":
        return cls(**config)
