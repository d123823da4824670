"""Autoregressive models of pixels: no latents, and log p(x) itself."""

import functools
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from keras_vae import seeds
from keras_vae.config import (
    AutoregressiveConfig,
    BuildContext,
    check_number,
)
from keras_vae.config.registry import build as build_part
from keras_vae.models.argument_checks import check_temperature, num_samples_of
from keras_vae.models.generative_model import GenerativeModel
from keras_vae.models.latent_statistics import LatentStatistics
from keras_vae.models.pictures import Picture, completions, samples
from keras_vae.networks.autoregressive import PixelCNN
from keras_vae.networks.conditioning import Condition
from keras_vae.objectives import Inference, LogLikelihood

__all__ = ["Autoregressive", "build"]

# Uniform noise is kept off 0 and 1, where its logit is not finite.
_MARGIN = 1e-7


@keras.saving.register_keras_serializable(package="keras_vae")
class Autoregressive(GenerativeModel):
    """p(x) = prod_i p(x_i | x_1, ..., x_(i-1)) over the values of an image.

    log p(x) is computed, where a VAE bounds it, so that it is what the bounds
    of VAEs are set against; there are no latents, and an image is drawn value
    by value.

    Args:
        network: Images to p(x_i | x_<i), a
            `keras_vae.networks.autoregressive.PixelCNN`.
        objective: The loss of each image; `LogLikelihood()` unless given.
        seed: Base of the noise of samples in pictures.

    Raises:
        ValueError: If the images are dequantized: log p of levels plus noise
            only bounds that of the levels.

    Example:
        >>> network = PixelCNN(IndependentBernoulli((28, 28, 1)))
        >>> model = Autoregressive(network)
        >>> model.compile(optimizer="adam")
        >>> model.fit(images, batch_size=64, epochs=10)
        >>> log_prob = model(images)  # [batch], nats
        >>> grid = model.sample([16], seed=0)

    References:
        van den Oord et al. (2016), Pixel Recurrent Neural Networks, equation 1;
        van den Oord et al. (2016), Conditional Image Generation with PixelCNN
        Decoders.
    """

    NETWORKS = ("network",)
    METRICS = ("log_likelihood",)
    has_likelihood = True
    likelihood_is_exact = True

    def __init__(
        self,
        network: keras.Model,
        objective: Any = None,
        seed: int = 0,
        **kwargs: Any,
    ):
        objective = LogLikelihood() if objective is None else objective
        super().__init__((network,), objective, seed, **kwargs)
        if self.dequantized_bits is not None:
            raise ValueError(
                "`dequantized_bits` must be None: an autoregressive model has "
                "a likelihood of the levels themselves, such as "
                "DiscretizedLogisticMixture. "
                f"Received: dequantized_bits={self.dequantized_bits}"
            )

    def infer(
        self,
        image: tf.Tensor,
        encoding: Any,
        seed: tf.Tensor,
        num_samples: int | None = None,
        training: bool = False,
    ) -> Inference:
        del encoding, seed, num_samples  # Nothing is encoded or drawn.
        image = self.check_images(image)
        return Inference(image, self.network(image, training=training), ())

    @property
    def noise_size(self) -> int:
        return self.network.noise_size

    def generate(
        self,
        noise: tf.Tensor,
        temperature: tf.Tensor,
        *,
        pixel_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Draws images value by value; there is no mean without latents.

        Args:
            noise: Standard normal, `[batch, noise_size]`.
            temperature: Of each value's distribution, `[batch]`.
            pixel_seed: Makes no difference.
        """
        del pixel_seed
        return self.network.draw(_uniform(noise), temperature)

    def sample(
        self,
        shape: Any,
        seed: Any = None,
        temperature: float = 1.0,
        pixels: str = "draw",
    ) -> tf.Tensor:
        """Draws images value by value.

        Args:
            shape: `[num_images]`.
            seed: A whole number or an int32 `[2]`: the same seed gives the
                same images. None draws others in each call, as Keras's layers
                do; `keras.utils.set_random_seed` makes them repeatable.
            temperature: Sharpens each value's distribution below 1, and blurs
                it above.
            pixels: Makes no difference: an image is a draw.

        Returns:
            Images `[num_images, height, width, channels]`.
        """
        del pixels
        check_temperature(temperature)
        count = num_samples_of(shape)
        scale = tf.fill([count], tf.cast(temperature, tf.float32))
        return self._draw(self._noise(count, seed), scale)

    def complete(
        self, image: tf.Tensor, num_kept: int, seed: Any = None
    ) -> tf.Tensor:
        """Keeps images' first rows and draws the others given those.

        Args:
            image: `[batch, height, width, channels]` in [0, 1].
            num_kept: How many rows are kept.
            seed: As for `sample`.

        Returns:
            Images `[batch, height, width, channels]`.

        Raises:
            UserError: If there are not so many rows.
        """
        high = self.image_shape[0]
        check_number("num_kept", num_kept, 0, whole=True, high=high)
        image = self.check_images(image)
        count = image.shape[0]
        kept = image, tf.constant(num_kept)
        return self._draw(self._noise(count, seed), tf.ones([count]), *kept)

    @functools.cached_property
    def _draw(self) -> Any:
        # Its loops are slow if they are not a graph.
        return tf.function(
            self.network.draw, autograph=False, reduce_retracing=True
        )

    def _noise(self, count: int, seed: Any) -> tf.Tensor:
        shape = [count, self.noise_size]
        normal = tf.random.stateless_normal(shape, seeds.any_seed(seed))
        return _uniform(normal)

    def pictures(
        self,
        image: tf.Tensor,
        condition: Condition,
        statistics: LatentStatistics | None = None,
        pixels: str = "mean",
        brief: bool = False,
    ) -> Iterator[Picture]:
        yield samples(self, pixels)
        yield completions(self, image)


def _uniform(noise: tf.Tensor) -> tf.Tensor:
    """Returns standard normal noise as uniform on (0, 1)."""
    uniform = 0.5 * tf.math.erfc(-noise / 2.0**0.5)
    return tf.clip_by_value(uniform, _MARGIN, 1.0 - _MARGIN)


def build(
    config: AutoregressiveConfig, context: BuildContext
) -> Autoregressive:
    """Returns the model of a configuration."""
    network = PixelCNN(
        build_part(config.likelihood, context),
        config.filters,
        config.num_blocks,
        config.first_rows,
        config.head_units,
    )
    return Autoregressive(
        network,
        build_part(config.objective, context),
        context.seed,
        dequantized_bits=context.dequantized_bits,
        num_examples=context.num_examples,
    )
