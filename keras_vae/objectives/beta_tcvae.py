"""The ELBO with a penalty on the dependence between latent dimensions."""

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import global_batch
from keras_vae.config import BetaTCVAEConfig, BuildContext
from keras_vae.objectives.context import ObjectiveContext
from keras_vae.objectives.inference import Inference, LatentGroup
from keras_vae.objectives.values import (
    check_weight,
    deserialized,
    serialized,
    value_at,
)

__all__ = ["BetaTCVAE", "build", "total_correlation"]


def total_correlation(group: LatentGroup, num_examples: int) -> tf.Tensor:
    """Estimates `log q(z) - sum_d log q(z_d)` of each draw of a batch.

    q(z) is the posterior averaged over the N training images. With the M
    images of the batch for all of them, minibatch-weighted sampling is

        log q(z_i) ~ log sum_j q(z_i|x_j) / (N M)

    and the same for each dimension. Each is too low, as a batch that has the
    image of z_i itself is no fair sample of the others: with M = N the
    estimate is too high by (D - 1) log N, a constant without a gradient.

    Args:
        group: A group of a flat vector, with draws `[batch, D]` of a diagonal
            Gaussian posterior.
        num_examples: N.

    Returns:
        Nats, `[batch]`. Its mean is the total correlation.

    Raises:
        ValueError: If the group is another.

    References:
        Chen et al. (2018), Isolating Sources of Disentanglement in VAEs,
        section 3.1, equation 3, and appendix C.1.
        https://arxiv.org/abs/1802.04942
    """
    posterior, z = group.posterior, group.sample
    flow = "" if group.base_sample is None else " with a flow"
    if (
        not isinstance(posterior, tfd.MultivariateNormalDiag)
        or z.shape.rank != 2
        or flow
    ):
        raise ValueError(
            "The total correlation is estimated with a diagonal Gaussian "
            "posterior of one vector, drawn once for each image. Received: "
            f"{type(posterior).__name__}{flow}, draws of shape {z.shape}"
        )
    means, stddevs = posterior.mean(), posterior.stddev()
    both = global_batch.gather(tf.concat([means, stddevs], axis=-1))
    pairs = tfd.Normal(*tf.split(both, 2, axis=-1)).log_prob(
        z[:, tf.newaxis]
    )  # [draw, image, D]
    count = num_examples * tf.cast(tf.shape(both)[0], tf.float32)
    joint = tf.reduce_logsumexp(tf.reduce_sum(pairs, axis=-1), axis=1)
    product = tf.reduce_sum(tf.reduce_logsumexp(pairs, axis=1), axis=-1)
    dimensions = float(z.shape[-1])
    return joint - product + (dimensions - 1.0) * tf.math.log(count)


@keras.saving.register_keras_serializable(package="keras_vae")
class BetaTCVAE:
    """`-(log p(x|z) - KL(q(z|x) || p(z)) - (beta - 1) TC)`.

    The KL of the ELBO is the sum of the mutual information of images and
    latents, of the total correlation TC of the latents and of the KLs of their
    single dimensions to the prior (equation 2); this weighs the second by beta
    and leaves the others, so that dimensions become independent without z
    saying less about the image. With a beta of 1 it is the ELBO.

    TC is that of `total_correlation`, from the batch, over all replicas in a
    training or test step: larger batches give better estimates.

    Args:
        beta: Weight of the total correlation, a number or a Keras
            `LearningRateSchedule` of the step.

    Raises:
        ValueError: If `beta` is neither, or below 0.

    References:
        Chen et al. (2018), Isolating Sources of Disentanglement in VAEs,
        equations 2 and 4. https://arxiv.org/abs/1802.04942
    """

    couples_images = True

    def __init__(self, beta: Any = 6.0):
        check_weight("beta", beta)
        self.beta = beta

    def __call__(
        self, inference: Inference, context: ObjectiveContext
    ) -> tf.Tensor:
        """Returns the loss of each image, `[batch]`, nats.

        Raises:
            ValueError: If the number of training images is not known, or the
                model has other latents than one Gaussian vector.
        """
        if context.num_examples is None:
            raise ValueError(
                "beta-TCVAE needs the number of training images: fit arrays, "
                "or set the model's `num_examples`. Received: None"
            )
        if len(inference.groups) != 1:
            raise ValueError(
                "beta-TCVAE needs a model with one latent vector. "
                f"Received: {len(inference.groups)} latent groups"
            )
        weight = self.kl_weight(context.step) - 1.0
        dependence = total_correlation(
            inference.groups[0], context.num_examples
        )
        return weight * dependence - inference.elbo

    def kl_weight(self, step: tf.Tensor) -> tf.Tensor:
        """Returns beta at `step`, a float32 scalar."""
        return value_at(self.beta, step)

    def draws(self, step: tf.Tensor) -> None:
        """Returns None: one draw of the latents, without an axis for it."""
        del step

    def get_config(self) -> dict[str, Any]:
        return {"beta": serialized(self.beta)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "BetaTCVAE":
        return cls(**deserialized(config))


def build(config: BetaTCVAEConfig, context: BuildContext) -> BetaTCVAE:
    """Returns the objective of a configuration."""
    del context
    return BetaTCVAE(config.beta)
