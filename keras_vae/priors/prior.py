"""What every prior over a vector of latents can do."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.parameters import as_float32, as_positive_int

__all__ = ["Prior"]


class Prior(keras.layers.Layer):
    """p(z) of a vector z, with variables of its own if it is learned.

    Sub-classes implement `distribution` and `from_noise`, and create their
    variables in `build`. Like the distribution layers it computes in float32
    under any mixed precision policy.

    A draw is made from a row of standard normal numbers, `noise_size` of them,
    and from nothing else: whoever repeats the row repeats the draw, whatever
    is drawn beside it.

    Args:
        latent_dim: Length D of z.
        **kwargs: Arguments of `keras.layers.Layer`.

    Attributes:
        needs_encoder: Whether p(z) is made from the posterior of the model,
            which then calls `connect` when it is constructed.

    Raises:
        ValueError: If `latent_dim` is not a whole number of 1 or more, or
            `dtype` is another than float32.
    """

    needs_encoder = False

    def __init__(self, latent_dim: int, **kwargs: Any):
        kwargs["dtype"] = as_float32(kwargs.get("dtype"))
        super().__init__(**kwargs)
        self.latent_dim = as_positive_int(latent_dim, "latent_dim")

    @property
    def noise_size(self) -> int:
        """How many standard normal numbers make one draw."""
        return self.latent_dim

    def distribution(self) -> tfd.Distribution:
        """Returns p(z), batch shape `[]`, event shape `[latent_dim]`.

        It has `log_prob`, and `mean` and `stddev` for traversals.
        """
        raise NotImplementedError("A subclass must define `distribution`.")

    def from_noise(self, noise: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
        """Returns a draw of p(z) for each row of noise.

        Args:
            noise: Standard normal, `[batch, noise_size]`.
            temperature: Multiplies the standard deviations, `[batch]`.

        Returns:
            z: `[batch, latent_dim]`, each row a function of its own row.
        """
        raise NotImplementedError("A subclass must define `from_noise`.")

    def connect(self, encode: Callable[[tf.Tensor], tfd.Distribution]) -> None:
        """Takes the model's encoder, images to q(z|x); most need none."""

    @property
    def num_initial_examples(self) -> int:
        """How many training images `initialize` wants; 0 for none."""
        return 0

    def initialize(self, examples: Any, seed: int = 0) -> None:
        """Starts from training images; most priors do not look at them.

        Args:
            examples: Images as the model takes them, `[num, H, W, C]`.
            seed: Of a choice among them.
        """

    def call(self, z: tf.Tensor) -> tf.Tensor:
        """Returns log p(z) `[...]` of `z [..., latent_dim]`, nats."""
        return self.distribution().log_prob(z)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "latent_dim": self.latent_dim}
