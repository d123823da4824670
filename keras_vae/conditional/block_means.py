"""What is known of an image: the means of its blocks of pixels."""

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.conditional import poisson_binomial
from keras_vae.conditional.observation import Observation
from keras_vae.errors import UserError

__all__ = ["BlockMeans", "block_means", "check_factor"]

# The tables of a block of Bernoulli pixels grow with its fourth power.
_MAX_FACTOR = 8


class BlockMeans(Observation):
    """The mean of each block of `factor` times `factor` pixels is observed.

    Under independent Bernoulli pixels the mean is a number of ones: its
    probability, draws and means of the pixels are exact, by recursion. Under
    independent normal pixels all are Gaussians in closed form. Other
    likelihoods have no such form and are refused.

    `rest_log_prob` of normal pixels is a density of all but one of the pixels
    of each block, whose value follows from the others.

    Attributes:
        low_resolution: Means, float32 `[rows, H / factor, W / factor, C]`.
        factor: Pixels on a side of a block.
    """

    low_resolution: tf.Tensor
    factor: int

    def log_prob(self, likelihood: tfd.Distribution) -> tf.Tensor:
        pixels = _pixels(likelihood)
        if isinstance(pixels, tfd.Bernoulli):
            logits = self._blocks(pixels.logits)
            return _sum(poisson_binomial.sum_log_prob(logits, self._ones()))
        return _sum(
            self._mean_distribution(pixels).log_prob(self.low_resolution)
        )

    def rest_log_prob(
        self, likelihood: tfd.Distribution, image: tf.Tensor
    ) -> tf.Tensor:
        log_prob = likelihood.log_prob(image) - self.log_prob(likelihood)
        if isinstance(_pixels(likelihood), tfd.Bernoulli):
            return log_prob
        # From the pixels to one mean and all pixels but one: dx = n dm.
        num_blocks = np.prod(self.low_resolution.shape[1:])
        return log_prob + float(num_blocks * np.log(self.factor**2))

    def mean(self, likelihood: tfd.Distribution) -> tf.Tensor:
        pixels = _pixels(likelihood)
        if isinstance(pixels, tfd.Bernoulli):
            logits = self._blocks(pixels.logits)
            means = poisson_binomial.bit_means(logits, self._ones())
            return self._image(means)
        return self._corrected(pixels, pixels.mean())

    def sample(
        self, likelihood: tfd.Distribution, seed: tf.Tensor
    ) -> tf.Tensor:
        pixels = _pixels(likelihood)
        if isinstance(pixels, tfd.Bernoulli):
            logits = self._blocks(pixels.logits)
            bits = poisson_binomial.sample_bits(logits, self._ones(), seed)
            return self._image(bits)
        return self._corrected(pixels, likelihood.sample(seed=seed))

    def fill(self, guess: tf.Tensor) -> tf.Tensor:
        del guess  # All of the image is known, coarsely.
        rows = tf.repeat(self.low_resolution, self.factor, axis=1)
        return tf.repeat(rows, self.factor, axis=2)

    def unknown(self) -> tf.Tensor:
        """Returns 0 in blocks of mean 0 or 1: no pixel of them has a choice."""
        mean = self.fill(self.low_resolution)
        return tf.cast((mean > 0.0) & (mean < 1.0), tf.float32)

    def num_free(self) -> tf.Tensor:
        """Returns the number of pixels, but one of each block."""
        rows, *blocks = self.low_resolution.shape
        free = np.prod(blocks) * (self.factor**2 - 1)
        return tf.fill([rows], float(free))

    def take(self, rows: np.ndarray) -> "BlockMeans":
        return BlockMeans(tf.gather(self.low_resolution, rows), self.factor)

    def _corrected(self, pixels: tfd.Normal, image: tf.Tensor) -> tf.Tensor:
        """Moves pixels so that the blocks have their means.

        x_i + s_i^2 / sum_j s_j^2 * n (m - mean_j x_j): of a draw from p(x) it
        makes one from p(x|m), and of the mean the mean (Doucet 2010, A note on
        efficient conditional simulation of Gaussian distributions).
        """
        variance = self._blocks(_everywhere(pixels.variance(), pixels))
        share = variance / tf.reduce_sum(variance, axis=-1, keepdims=True)
        x = self._blocks(image)
        rest = self.low_resolution - tf.reduce_mean(x, axis=-1)
        return self._image(x + share * self.factor**2 * rest[..., tf.newaxis])

    def _mean_distribution(self, pixels: tfd.Normal) -> tfd.Normal:
        loc = self._blocks(pixels.mean())
        variance = self._blocks(_everywhere(pixels.variance(), pixels))
        total = tf.sqrt(tf.reduce_sum(variance, axis=-1))
        return tfd.Normal(tf.reduce_mean(loc, axis=-1), total / self.factor**2)

    def _ones(self) -> tf.Tensor:
        return tf.round(self.low_resolution * self.factor**2)

    def _blocks(self, image: tf.Tensor) -> tf.Tensor:
        """Takes `[rows, H, W, C]` to `[rows, H / f, W / f, C, f * f]`."""
        return _to_blocks(image, self.factor)

    def _image(self, blocks: tf.Tensor) -> tf.Tensor:
        """Is the inverse of `_blocks`."""
        size = self.factor
        height, width, channels = self.low_resolution.shape[1:]
        x = tf.reshape(blocks, [-1, height, width, channels, size, size])
        x = tf.transpose(x, [0, 1, 4, 2, 5, 3])
        return tf.reshape(x, [-1, height * size, width * size, channels])


def block_means(image: np.ndarray, factor: int) -> np.ndarray:
    """Returns the mean of each block of `factor` times `factor` pixels.

    Args:
        image: `[num, H, W, C]`.
        factor: Pixels on a side of a block, 2 ... 8; divides H and W.

    Returns:
        means: float32 `[num, H / factor, W / factor, C]`.

    Raises:
        UserError: If the factor is none of those.
    """
    check_factor(factor, image.shape[1:3])
    return tf.reduce_mean(_to_blocks(tf.constant(image), factor), -1).numpy()


def check_factor(factor: int, size: tuple[int, int]) -> None:
    """Raises UserError unless `factor` is 2 ... 8 and divides both sizes."""
    if not 2 <= factor <= _MAX_FACTOR or any(n % factor for n in size):
        raise UserError(
            f"factor must be 2 ... {_MAX_FACTOR} and divide the height and the "
            f"width of the model's images, {size[0]}x{size[1]}. "
            f"Received: factor={factor}"
        )


def _to_blocks(image: tf.Tensor, size: int) -> tf.Tensor:
    height, width, channels = image.shape[1:]
    x = tf.reshape(
        image, [-1, height // size, size, width // size, size, channels]
    )
    x = tf.transpose(x, [0, 1, 3, 5, 2, 4])
    return tf.reshape(
        x, [-1, height // size, width // size, channels, size * size]
    )


def _pixels(likelihood: tfd.Distribution) -> tfd.Distribution:
    pixels = getattr(likelihood, "distribution", likelihood)
    if isinstance(pixels, (tfd.Bernoulli, tfd.Normal)):
        return pixels
    raise UserError(
        "Means of blocks can be conditioned on where the likelihood is "
        "bernoulli or normal: use --downsampling=decimate, which keeps one "
        f"pixel of each block. Received: {type(pixels).__name__}"
    )


def _everywhere(value: tf.Tensor, pixels: tfd.Distribution) -> tf.Tensor:
    return tf.broadcast_to(value, tf.shape(pixels.mean()))


def _sum(blocks: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(blocks, axis=(-3, -2, -1))
