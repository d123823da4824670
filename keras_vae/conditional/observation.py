"""What is known of an image: some of its pixels."""

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.position_log_prob import position_log_prob

__all__ = ["MaskedPixels", "Observation"]


class Observation(tf.experimental.ExtensionType):
    """What is known of the images of a batch.

    It conditions a likelihood p(x|z) on what was observed, o, a function of
    the image x. Its tensors have `[rows]` as their first axis, and so have the
    likelihoods that it is given as their batch shape. It can be passed to a
    `tf.function`.

    Sub-classes implement all methods.
    """

    def log_prob(self, likelihood: tfd.Distribution) -> tf.Tensor:
        """Returns log p(o|z), nats, `[rows]`."""
        raise NotImplementedError

    def rest_log_prob(
        self, likelihood: tfd.Distribution, image: tf.Tensor
    ) -> tf.Tensor:
        """Returns log p(x|z, o), nats, `[rows]`.

        Args:
            likelihood: p(x|z).
            image: x, which agrees with what was observed, `[rows, H, W, C]`.
        """
        raise NotImplementedError

    def mean(self, likelihood: tfd.Distribution) -> tf.Tensor:
        """Returns E[x|z, o], `[rows, H, W, C]`."""
        raise NotImplementedError

    def sample(
        self, likelihood: tfd.Distribution, seed: tf.Tensor
    ) -> tf.Tensor:
        """Draws x from p(x|z, o), `[rows, H, W, C]`; `seed` is int32 `[2]`."""
        raise NotImplementedError

    def fill(self, guess: tf.Tensor) -> tf.Tensor:
        """Returns images to begin with, `[rows, H, W, C]`.

        Args:
            guess: Any image, `[H, W, C]`, for what says nothing about x.
        """
        raise NotImplementedError

    def unknown(self) -> tf.Tensor:
        """Returns 1 where a value of x is not known, else 0, `[rows, H, W, C]`.

        Errors are means over these: a value that follows from what was
        observed is known, and no merit of a model.
        """
        raise NotImplementedError

    def num_free(self) -> tf.Tensor:
        """Returns of how many values of x p(x|z, o) is a density, `[rows]`."""
        raise NotImplementedError

    def take(self, rows: np.ndarray) -> "Observation":
        """Returns what is known of the images with these numbers."""
        raise NotImplementedError


class MaskedPixels(Observation):
    """Some positions are observed, with all their channels, others missing.

    Attributes:
        image: Values where they are observed; anything finite that can be a
            value elsewhere. Float32 `[rows, H, W, C]`.
        missing: Float32 `[rows, H, W]`, 1 where a position is missing, else 0.
    """

    image: tf.Tensor
    missing: tf.Tensor

    def log_prob(self, likelihood: tfd.Distribution) -> tf.Tensor:
        by_position = position_log_prob(likelihood, self.image)
        return _sum(by_position * (1.0 - self.missing))

    def rest_log_prob(
        self, likelihood: tfd.Distribution, image: tf.Tensor
    ) -> tf.Tensor:
        return _sum(position_log_prob(likelihood, image) * self.missing)

    def mean(self, likelihood: tfd.Distribution) -> tf.Tensor:
        return self._observed_or(likelihood.mean())

    def sample(
        self, likelihood: tfd.Distribution, seed: tf.Tensor
    ) -> tf.Tensor:
        return self._observed_or(likelihood.sample(seed=seed))

    def fill(self, guess: tf.Tensor) -> tf.Tensor:
        return self._observed_or(guess)

    def unknown(self) -> tf.Tensor:
        missing = self.missing[..., tf.newaxis]
        return tf.broadcast_to(missing, tf.shape(self.image))

    def num_free(self) -> tf.Tensor:
        return tf.reduce_sum(self.unknown(), axis=(1, 2, 3))

    def _observed_or(self, image: tf.Tensor) -> tf.Tensor:
        return tf.where(self.missing[..., tf.newaxis] > 0, image, self.image)

    def take(self, rows: np.ndarray) -> "MaskedPixels":
        return MaskedPixels(
            tf.gather(self.image, rows), tf.gather(self.missing, rows)
        )


def _sum(by_position: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(by_position, axis=(-2, -1))
