"""What is minimised: a loss per image, made from an `Inference`."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_vae import global_batch
from keras_vae.config import (
    BuildContext,
    ELBOConfig,
    ImportanceWeightedConfig,
    SquaredErrorConfig,
    is_whole,
)
from keras_vae.objectives.balancing import balancing_weights, group_scales
from keras_vae.objectives.context import ObjectiveContext
from keras_vae.objectives.inference import Inference
from keras_vae.objectives.schedules import (
    LAST_STEP,
    KLWarmup,
    LinearWarmup,
    OneStep,
)
from keras_vae.objectives.values import (
    SCHEDULE,
    check_weight,
    deserialized,
    serialized,
    value_at,
)

__all__ = [
    "ELBO",
    "ImportanceWeighted",
    "SquaredError",
    "build_elbo",
    "build_importance_weighted",
    "build_squared_error",
]


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
            above this (Kingma et al. 2016, equation 15). In a training or
            test step that is the batch over all replicas.
        balance: Whether the KLs of the groups are balanced in the warm-up of
            beta (Vahdat and Kautz 2020, NVAE, appendix A), by their means over
            the same batch.
    """

    def __init__(
        self, beta: Any = 1.0, free_bits: float = 0.0, balance: bool = False
    ):
        check_weight("beta", beta)
        if not 0 <= free_bits < float("inf"):
            raise ValueError(
                "`free_bits` must be a finite number of at least 0. "
                f"Received: free_bits={free_bits}"
            )
        self.beta = beta
        self.free_bits = free_bits
        self.balance = balance

    def __call__(
        self, inference: Inference, context: ObjectiveContext
    ) -> tf.Tensor:
        """Returns the loss of each image, `[batch]`, nats."""
        beta = self.kl_weight(context.step)
        return beta * self._kl(inference, beta) - inference.log_likelihood

    def _kl(self, inference: Inference, beta: tf.Tensor) -> tf.Tensor:
        """Returns the KL as it is weighted, a scalar or `[batch]`."""
        if not inference.groups or not self.couples_images:
            return inference.kl_divergence
        terms = [group.kl_divergence for group in inference.groups]
        weights: Sequence[Any] = [1.0] * len(terms)
        if self._balanced:
            means = tf.stack(global_batch.means([tf.abs(kl) for kl in terms]))
            scales = group_scales(
                [group.posterior.event_shape for group in inference.groups]
            )
            warming = beta < self.kl_weight(tf.constant(LAST_STEP, tf.int64))
            gamma = tf.where(warming, balancing_weights(means, scales), 1.0)
            weights = tf.unstack(gamma)
        if self.free_bits:
            floor = self.free_bits
            means = global_batch.means(terms)
            terms = [tf.maximum(kl, floor) for kl in means]
        return tf.add_n([w * kl for w, kl in zip(weights, terms, strict=True)])

    def kl_weight(self, step: tf.Tensor) -> tf.Tensor:
        """Returns beta at `step`, a float32 scalar."""
        return value_at(self.beta, step)

    @property
    def couples_images(self) -> bool:
        """Whether the loss of an image depends on those beside it."""
        return bool(self.free_bits) or self._balanced

    @property
    def _balanced(self) -> bool:
        # Only a beta that changes has a warm-up.
        return self.balance and isinstance(self.beta, SCHEDULE)

    def draws(self, step: tf.Tensor) -> None:
        """Returns None: one draw of the latents, without an axis for it."""
        del step

    def get_config(self) -> dict[str, Any]:
        return {
            "beta": serialized(self.beta),
            "free_bits": self.free_bits,
            "balance": self.balance,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ELBO":
        return cls(**deserialized(config))


@keras.saving.register_keras_serializable(package="keras_vae")
class ImportanceWeighted:
    """The negative importance-weighted bound, `-log 1/K sum_k w_k`.

    `w_k = p(x|z_k) (p(z_k) / q(z_k|x))^beta` for K draws from q(z|x); with a
    beta of 1 it is the bound of Burda et al. (2016), equation 8, which is
    nearer to log p(x) than the ELBO and becomes it with K. Its gradient is
    the reparameterized one, equation 14. A model that is trained with it
    reaches better likelihoods and has a worse ELBO: q(z|x) is asked to cover
    p(z|x) with K draws and not with each.

    While K is 1 the loss is `elbo`, with the KL in closed form.

    Args:
        num_samples: K, a whole number, or a Keras `LearningRateSchedule` of
            the step, as `OneStep`: XLA compiles a step with the latter only
            if `GenerativeModel.training_draws` is set.
        elbo: The loss while K is 1, and beta. Free bits and balance have no
            effect on larger K.

    Raises:
        ValueError: If `num_samples` is a number, and not a whole one of at
            least 1.
    """

    def __init__(self, num_samples: Any, elbo: ELBO | None = None):
        if not isinstance(num_samples, SCHEDULE) and not (
            is_whole(num_samples) and num_samples >= 1
        ):
            raise ValueError(
                "`num_samples` must be a whole number of at least 1, or a "
                f"Keras LearningRateSchedule. Received: {num_samples}"
            )
        self.num_samples = num_samples
        self.elbo = ELBO() if elbo is None else elbo

    def __call__(
        self, inference: Inference, context: ObjectiveContext
    ) -> tf.Tensor:
        """Returns the loss of each image, `[batch]`, nats.

        Args:
            inference: A pass with K draws, batch shape `[K, batch]`; `[batch]`
                is one draw.
            context: Gives the training step.
        """
        log_likelihood = inference.log_likelihood
        if log_likelihood.shape.rank == 1:
            return self.elbo(inference, context)
        count = tf.shape(log_likelihood)[0]
        ratio = inference.log_weight - log_likelihood
        weights = log_likelihood + self.kl_weight(context.step) * ratio
        bound = tf.reduce_logsumexp(weights, axis=0)
        bound -= tf.math.log(tf.cast(count, tf.float32))
        if isinstance(self.num_samples, SCHEDULE) or self.num_samples == 1:
            return tf.where(
                count == 1, self.elbo(inference, context)[0], -bound
            )
        return -bound

    @property
    def couples_images(self) -> bool:
        """Whether the loss of an image depends on those beside it."""
        varies = isinstance(self.num_samples, SCHEDULE)
        single = varies or self.num_samples == 1
        return single and getattr(self.elbo, "couples_images", False)

    def kl_weight(self, step: tf.Tensor) -> tf.Tensor:
        """Returns beta at `step`, a float32 scalar."""
        return self.elbo.kl_weight(step)

    def draws(self, step: tf.Tensor) -> Any:
        """Returns K at `step`, a number or an int32 scalar."""
        if isinstance(self.num_samples, SCHEDULE):
            return tf.cast(self.num_samples(step), tf.int32)
        return self.num_samples

    def get_config(self) -> dict[str, Any]:
        return {
            "num_samples": serialized(self.num_samples),
            "elbo": serialized(self.elbo),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ImportanceWeighted":
        return cls(**deserialized(config))


@keras.saving.register_keras_serializable(package="keras_vae")
class SquaredError:
    """`L = ||x - x_hat||^2` with x_hat the likelihood's mean."""

    def __call__(
        self, inference: Inference, context: ObjectiveContext
    ) -> tf.Tensor:
        """Returns the squared error summed over each image, `[batch]`."""
        del context  # The same at every step.
        error = inference.image - inference.likelihood.mean()
        return tf.reduce_sum(tf.square(error), axis=[-3, -2, -1])

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
    def from_config(cls, config: dict[str, Any]) -> "SquaredError":
        return cls(**config)


def build_elbo(
    config: ELBOConfig | ImportanceWeightedConfig, context: BuildContext
) -> ELBO:
    """Returns the objective of a configuration."""
    beta = _beta(config, context.total_steps)
    return ELBO(beta, config.free_bits, config.kl_balancing)


def _beta(
    config: ELBOConfig | ImportanceWeightedConfig, total_steps: Any
) -> Any:
    share = config.beta_warmup
    if share == 0:
        return config.beta
    if config.beta_schedule == "clipped":
        floor = config.beta_initial
        return KLWarmup(config.beta, share, total_steps, floor=floor)
    initial = config.beta * config.beta_initial
    return LinearWarmup(initial, config.beta, share, total_steps)


def build_importance_weighted(
    config: ImportanceWeightedConfig, context: BuildContext
) -> ImportanceWeighted:
    """Returns the objective of a configuration."""
    count: Any = config.num_samples
    if config.draws_change:
        count = OneStep(1, count, config.start, context.total_steps)
    return ImportanceWeighted(count, build_elbo(config, context))


def build_squared_error(
    config: SquaredErrorConfig, context: BuildContext
) -> SquaredError:
    """Returns the objective of a configuration."""
    del config, context  # It has no settings.
    return SquaredError()
