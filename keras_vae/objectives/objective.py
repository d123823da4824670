"""What is minimised: a loss per image, made from an `Inference`."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_vae.objectives.balancing import balancing_weights, group_scales
from keras_vae.objectives.inference import Inference

__all__ = ["ELBO", "SquaredError"]

_SCHEDULE = keras.optimizers.schedules.LearningRateSchedule
# Beyond the end of any run, also of one whose length is not known yet.
_LAST_STEP = 2**62


def _weight(value: Any, step: tf.Tensor) -> tf.Tensor:
    if isinstance(value, _SCHEDULE):
        return value(step)
    return tf.constant(value, tf.float32)


@keras.saving.register_keras_serializable(package="keras_vae")
class ELBO:
    """The negative evidence lower bound, `-(log p(x|z) - beta KL)`.

    With `balance`, and while beta is below its final value, the loss is
    `-(log p(x|z) - beta sum_l gamma_l KL_l)` with the weights of
    `balancing_weights`: a group that carries more than its share pays more for
    it, so that none of many groups dies in the warm-up.

    Args:
        beta: Weight of the KL, a number or a Keras `LearningRateSchedule` of
            the step (Higgins et al. 2017, beta-VAE, equation 4). 1 gives the
            bound of Kingma and Welling (2014), equation 8.
        free_bits: Nats of KL for each latent group and image that cost
            nothing: the KL of a group, averaged over the batch, counts only
            above this (Kingma et al. 2016, equation 15). With several
            replicas each of them averages its own share of the batch.
        balance: Whether the KLs of the groups are balanced in the warm-up of
            beta (Vahdat and Kautz 2020, NVAE, appendix A). Each replica
            balances its own share of the batch.
    """

    def __init__(
        self, beta: Any = 1.0, free_bits: float = 0.0, balance: bool = False
    ):
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
        self.balance = balance

    def __call__(self, inference: Inference, step: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each image, `[batch]`, nats."""
        beta = self.kl_weight(step)
        return beta * self._kl(inference, beta) - inference.log_likelihood

    def _kl(self, inference: Inference, beta: tf.Tensor) -> tf.Tensor:
        """Returns the KL as it is weighted, a scalar or `[batch]`."""
        # Only a beta that changes has a warm-up.
        balanced = self.balance and isinstance(self.beta, _SCHEDULE)
        if not inference.groups or not (self.free_bits or balanced):
            return inference.kl_divergence
        terms = [group.kl_divergence for group in inference.groups]
        weights: Sequence[Any] = [1.0] * len(terms)
        if balanced:
            means = tf.stack([tf.reduce_mean(tf.abs(kl)) for kl in terms])
            scales = group_scales(
                [group.posterior.event_shape for group in inference.groups]
            )
            warming = beta < self.kl_weight(tf.constant(_LAST_STEP, tf.int64))
            gamma = tf.where(warming, balancing_weights(means, scales), 1.0)
            weights = tf.unstack(gamma)
        if self.free_bits:
            floor = self.free_bits
            terms = [tf.maximum(tf.reduce_mean(kl), floor) for kl in terms]
        return tf.add_n([w * kl for w, kl in zip(weights, terms, strict=True)])

    def kl_weight(self, step: tf.Tensor) -> tf.Tensor:
        """Returns beta at `step`, a float32 scalar."""
        return _weight(self.beta, step)

    def get_config(self) -> dict[str, Any]:
        beta = self.beta
        if isinstance(beta, _SCHEDULE):
            beta = keras.saving.serialize_keras_object(beta)
        return {
            "beta": beta,
            "free_bits": self.free_bits,
            "balance": self.balance,
        }

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
