"""How the groups of a hierarchy get their latents on the way down."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.white_noise import from_noise

__all__ = [
    "Choice",
    "Latent",
    "LatentBlock",
    "fixed",
    "from_posterior",
    "from_prior",
    "given",
]


class LatentBlock(Protocol):
    """One group z_l of latents in the stream that goes down a decoder.

    `read` takes from the stream what the other methods share, once for all of
    them: the state, whatever the block makes it.
    """

    def read(self, x: tf.Tensor) -> Any:
        """Returns the state that the stream x gives, `[rows, ...]`."""

    def prior(self, state: Any) -> tfd.Distribution:
        """Returns p(z_l|z_<l), float32, batch shape `[rows]`."""

    def posterior(self, state: Any, feature: tf.Tensor) -> tfd.Distribution:
        """Returns q(z_l|z_<l, x), before the block's flow if it has one.

        Args:
            state: What `read` returned.
            feature: What the encoder says to this group.
        """

    def merge(self, state: Any, z: tf.Tensor) -> tf.Tensor:
        """Returns the stream after the group, given its z_l."""

    @property
    def flow(self) -> Callable[[tf.Tensor], tf.Tensor] | None:
        """The volume-preserving flow of the posterior, if there is one."""


class Latent(NamedTuple):
    """What a group got, and what it was chosen from.

    Attributes:
        z: float32 `[rows, *group_shape]`.
        prior: p(z_l|z_<l), where it was asked for.
        posterior: q(z_l|z_<l, x), where it was asked for.
        base: The draw that a flow made z of, where there is one.
    """

    z: tf.Tensor
    prior: tfd.Distribution | None = None
    posterior: tfd.Distribution | None = None
    base: tf.Tensor | None = None


# How one group gets its latent: `choice(block, state)`.
Choice = Callable[[LatentBlock, Any], Latent]


def fixed(z: tf.Tensor) -> Choice:
    """Takes z, whatever prior and posterior are."""
    return lambda block, state: Latent(z)


def from_prior(noise: tf.Tensor, temperature: tf.Tensor) -> Choice:
    """Makes noise `[rows, *group_shape]` a draw from the prior.

    Args:
        noise: Standard normal.
        temperature: Multiplies the prior's scale.
    """
    return lambda block, state: Latent(
        from_noise(block.prior(state), noise, temperature)
    )


def from_posterior(
    feature: tf.Tensor, noise: tf.Tensor | float = 0.0
) -> Choice:
    """Makes noise a draw from the posterior, and its mean of 0.

    Where there is a flow, that is the flow of the mean.
    """

    def choice(block: LatentBlock, state: Any) -> Latent:
        prior = block.prior(state)
        posterior = block.posterior(state, feature)
        z = from_noise(posterior, noise)
        if block.flow is None:
            return Latent(z, prior, posterior)
        return Latent(block.flow(z), prior, posterior, base=z)

    return choice


def given(feature: tf.Tensor, z: tf.Tensor) -> Choice:
    """Takes z, of which prior and posterior are wanted."""
    return lambda block, state: Latent(
        z, block.prior(state), block.posterior(state, feature)
    )
