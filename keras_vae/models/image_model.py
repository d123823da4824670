"""What callers may ask of any model of images."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from keras_vae.models.latent_statistics import LatentStatistics
from keras_vae.models.pictures import Picture
from keras_vae.networks.conditioning import Condition
from keras_vae.objectives import Inference

__all__ = ["ImageModel"]


class ImageModel(keras.Model):
    """What every model of images answers.

    What a model can is in its attributes `has_latents`, `has_prior`,
    `has_likelihood` and `likelihood_is_exact`; nobody else asks what it is.
    Sub-classes set them, implement `infer` and `pictures`, and name what
    `metric_values` returns in `METRICS`; those that have latents also
    implement `encode`, `reconstruct` and `decode`, those that have a
    likelihood `generate` and `sample`, and those that have a prior
    `group_shapes`, `latent_moments`, `infer_with_noise` and `infer_at`. Of a
    conditional model `encode`, `reconstruct`, `latent_moments`, `generate`,
    `decode` and `sample` also take `label`, int32 `[batch]`; its encodings
    carry it.

    Attributes:
        has_latents: Whether it encodes images, decodes latents and so
            reconstructs images.
        has_prior: Whether the latents have a prior, and so a KL divergence.
        has_likelihood: Whether it is a distribution of images, p(x): samples
            are drawn from it, and log p(x) is computed or bounded.
        likelihood_is_exact: Whether log p(x) is computed and not bounded: the
            `log_likelihood` of an inference is then log p(x) itself.
        normalizes_samples: Whether what it decodes is normalised over batches,
            so that `recalibrated_batch_norm` fits it to samples.
    """

    METRICS: tuple[str, ...] = ()
    has_latents: bool = False
    has_prior: bool = False
    has_likelihood: bool = False
    likelihood_is_exact: bool = False
    normalizes_samples: bool = False

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the images."""
        raise NotImplementedError

    @property
    def latent_dim(self) -> int:
        """Size D of a latent vector; 0 of a model without latents."""
        raise NotImplementedError

    @property
    def num_classes(self) -> int:
        """Classes that a conditional model knows; 0 of any other model."""
        raise NotImplementedError

    def encode(self, image: tf.Tensor, training: bool = False) -> Any:
        """Runs the encoder once; what it returns goes into `infer`."""
        raise NotImplementedError

    def infer(
        self,
        image: tf.Tensor,
        encoding: Any,
        seed: tf.Tensor,
        num_samples: int | None = None,
        training: bool = False,
    ) -> Inference:
        """Draws latents from an encoding and decodes them.

        Args:
            image: `[batch, height, width, channels]` in [0, 1].
            encoding: What `encode(image)` returned; None without latents.
            seed: A whole number or an int32 `[2]`. On several replicas all have
                the same: draws for images go through `global_batch.draw`.
            num_samples: Draws for each image: batch shapes become
                `[num_samples, batch]` instead of `[batch]`.
            training: Whether this is a training step.

        Returns:
            The pass as an `Inference`.

        Raises:
            ValueError: If the images are not those that `encode` takes, or
                `num_samples` is no whole number of at least 1.
        """
        raise NotImplementedError

    def reconstruct(
        self, image: tf.Tensor, training: bool = False
    ) -> tf.Tensor:
        """Returns the likelihood's mean given the encoding's mean, no noise."""
        raise NotImplementedError

    def __setattr__(self, name: str, value: Any) -> None:
        # What was traced may have had another value of it.
        self.__dict__.pop("_functions", None)
        super().__setattr__(name, value)

    def traced(self, name: str, make: Callable[[], Any]) -> Any:
        """Returns a `tf.function` of the model, made once.

        It keeps what it traced, so that who asks again does not wait again,
        until an attribute of the model is set.

        Args:
            name: What it computes.
            make: Makes it.
        """
        if name not in self._functions:
            self._functions[name] = make()
        return self._functions[name]

    @functools.cached_property
    def _functions(self) -> dict[str, Any]:
        return {}

    def pictures(
        self,
        image: tf.Tensor,
        condition: Condition,
        statistics: LatentStatistics | None = None,
        pixels: str = "mean",
        brief: bool = False,
    ) -> Iterator[Picture]:
        """Yields what there is to draw of the model.

        Args:
            image: Some images `[batch, height, width, channels]` in [0, 1].
            condition: What goes with them, as `unpack` returns it.
            statistics: `latent_statistics` of a model that `has_prior`.
            pixels: What samples show of p(x|z): `mean`, or `draw`.
            brief: Whether to leave out what is of no use while it is trained.
        """
        raise NotImplementedError

    def latent_moments(self, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns mean and standard deviation of q(z|x), `[batch, D]` each."""
        raise NotImplementedError

    def generate(
        self,
        noise: tf.Tensor,
        temperature: tf.Tensor,
        *,
        pixel_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Returns p(x|z)'s mean for a draw from the prior made of noise.

        Args:
            noise: Standard normal, `[batch, noise_size]`.
            temperature: Multiplies the prior's standard deviation, `[batch]`.
            pixel_seed: int32 `[batch, 2]`: draws from p(x|z) instead of its
                mean, each from its row's seed. They are at temperature 1.
        """
        raise NotImplementedError

    def decode(self, z: tf.Tensor) -> tf.Tensor:
        """Returns p(x|z)'s mean `[batch, H, W, C]` for `z [batch, D]`."""
        raise NotImplementedError

    def sample(
        self,
        shape: Any,
        seed: Any = None,
        temperature: Any = 1.0,
        *,
        pixels: str = "mean",
    ) -> tf.Tensor:
        """Draws z from the prior and returns an image of p(x|z).

        Image i is a function of its own seed, [a, b + i] for a seed [a, b], as
        those of `keras_vae.use.sample` and of an export are.

        Args:
            shape: `[num_images]`.
            seed: [a, b], int32 `[2]`, or a whole number a, with b = 0. None
                draws other images in each call, as Keras's layers do;
                `keras.utils.set_random_seed` makes them repeatable.
            temperature: Multiplies the prior's standard deviation, at least 0;
                of a hierarchy one number, or one for each group, the top group
                first.
            pixels: `mean` returns the mean of p(x|z), `draw` a draw from it.

        Returns:
            Images `[num_images, height, width, channels]`.
        """
        raise NotImplementedError

    def infer_with_noise(
        self, image: tf.Tensor, encoding: Any, noise: tf.Tensor
    ) -> Inference:
        """Does as `infer` with standard normal noise `[batch, D]`."""
        raise NotImplementedError

    def infer_at(
        self, image: tf.Tensor, encoding: Any, z: tf.Tensor
    ) -> Inference:
        """Does as `infer` with given latents instead of a draw.

        It gives q(z|x) of a z that was drawn otherwise, as the acceptance
        probability of a Metropolis step needs it.

        Args:
            image: `[batch, height, width, channels]` in [0, 1].
            encoding: What `encode(image)` returned.
            z: `[batch, D]`, as `decode` takes it.

        Raises:
            ValueError: If a posterior goes through a flow: it has no inverse.
        """
        raise NotImplementedError

    # What sub-classes may change.

    def metric_values(self, inference: Inference) -> dict[str, tf.Tensor]:
        """Returns what is logged, by the names in `METRICS`.

        Each is `[batch]`, or `[sample, batch]` of a pass with several draws.
        """
        return {name: getattr(inference, name) for name in self.METRICS}

    @property
    def group_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Event shape of each latent group; empty without a prior on them."""
        return ()

    @property
    def noise_size(self) -> int:
        """How many standard normal numbers `generate` makes an image of."""
        return self.latent_dim

    @property
    def posterior_is_invertible(self) -> bool:
        """Whether `infer_at` works: q(z|x) of any z can be had."""
        return True
