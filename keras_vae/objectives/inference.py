"""What one pass through a generative model yields."""

import dataclasses
import functools

import tensorflow as tf
from tensorflow_probability import distributions as tfd

__all__ = ["Inference", "LatentGroup", "kl_divergence"]


def kl_divergence(
    posterior: tfd.Distribution,
    prior: tfd.Distribution,
    sample: tf.Tensor,
) -> tf.Tensor:
    """KL(posterior || prior), in closed form where there is one.

    Args:
        posterior: q(z|x) with batch shape `[..., batch]`.
        prior: p(z), broadcastable to the posterior.
        sample: Draws from the posterior `[..., batch, latent]`, used for the
            Monte Carlo estimate `log q(z|x) - log p(z)` where TensorFlow
            Probability knows no closed form.

    Returns:
        Nats per image, `[..., batch]`.
    """
    try:
        return tfd.kl_divergence(posterior, prior)
    except NotImplementedError:
        return posterior.log_prob(sample) - prior.log_prob(sample)


@dataclasses.dataclass(frozen=True)
class LatentGroup:
    """One group of latent variables: a VAE has one, NVAE has many.

    Attributes:
        posterior: q(z_l | z_<l, x); where a flow follows, of what goes into it.
        prior: p(z_l | z_<l).
        sample: z_l drawn from the posterior, `[batch, ...]` or
            `[sample, batch, ...]`.
        base_sample: Where a flow follows: the draw that it made `sample` of.
        log_slope: Logarithms of the diagonal of the flow's Jacobian, which is
            triangular, as `sample`; None of a flow that preserves volume.
    """

    posterior: tfd.Distribution
    prior: tfd.Distribution
    sample: tf.Tensor
    base_sample: tf.Tensor | None = None
    log_slope: tf.Tensor | None = None

    @functools.cached_property
    def kl_divergence(self) -> tf.Tensor:
        """KL(q || p) `[batch]` or `[sample, batch]`, nats.

        With a flow it is the estimate `log q(z|x) - log p(z)`.
        """
        if self.base_sample is not None:
            return -self.log_ratio
        return kl_divergence(self.posterior, self.prior, self.sample)

    @functools.cached_property
    def log_ratio(self) -> tf.Tensor:
        """`log p(z) - log q(z|x)` of the sample, nats."""
        return self.prior.log_prob(self.sample) - self.log_posterior

    @property
    def base(self) -> tf.Tensor:
        """The draw from `posterior`: `base_sample` with a flow, else z_l."""
        return self.sample if self.base_sample is None else self.base_sample

    @functools.cached_property
    def log_posterior(self) -> tf.Tensor:
        """log q(z_l | z_<l, x) of the sample, nats."""
        log_q = self.posterior.log_prob(self.base)
        if self.log_slope is None:
            return log_q
        axes = range(-len(self.posterior.event_shape), 0)
        return log_q - tf.reduce_sum(self.log_slope, axis=list(axes))


@dataclasses.dataclass(frozen=True)
class Inference:
    """A pass image -> posterior -> z -> likelihood through a model.

    Objectives, metrics, evaluation and serving are written against this one
    object, whatever the model.

    Attributes:
        image: What was encoded, `[batch, height, width, channels]`.
        likelihood: p(x|z), batch shape `[batch]` or `[sample, batch]`.
        groups: The latent groups from the top down; none for a plain
            autoencoder.
        dequantization_nats: What a density of dequantized images has too much
            to be a probability of their levels, nats per image: with b bits
            and D values, D b log 2. 0 for all other images.
    """

    image: tf.Tensor
    likelihood: tfd.Distribution
    groups: tuple[LatentGroup, ...]
    dequantization_nats: float = 0.0

    @functools.cached_property
    def log_likelihood(self) -> tf.Tensor:
        """`log p(x|z)`, nats per image, `[batch]` or `[sample, batch]`.

        That of dequantized images is of their levels: the density of
        (level + u) / 2^b, u uniform, times the volume 2^(-b D) of a level. Its
        mean over u is at most the log-probability of the levels (Theis et al.
        2016, A note on the evaluation of generative models, section 3.1).
        """
        density = self.likelihood.log_prob(self.image)
        return density - self.dequantization_nats

    @functools.cached_property
    def kl_divergence(self) -> tf.Tensor:
        """KL summed over the groups, nats per image."""
        if not self.groups:
            return tf.zeros_like(self.log_likelihood)
        return tf.add_n([group.kl_divergence for group in self.groups])

    @functools.cached_property
    def elbo(self) -> tf.Tensor:
        """`log p(x|z) - KL(q||p)`, nats per image; higher is better.

        Kingma and Welling (2014), equation 8.
        """
        return self.log_likelihood - self.kl_divergence

    @functools.cached_property
    def log_weight(self) -> tf.Tensor:
        """`log p(x|z) + log p(z) - log q(z|x)` of each draw, nats.

        The importance weight of Burda et al. (2016), equation 8; its mean over
        the draws, in probability, estimates p(x) without bias.
        """
        if not self.groups:
            return self.log_likelihood
        return self.log_likelihood + tf.add_n(
            [group.log_ratio for group in self.groups]
        )
