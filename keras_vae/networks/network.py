"""Base classes of encoders and decoders: networks that end in distributions."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions import DistributionLayer
from keras_vae.networks.conditioning import (
    build_class_picture,
    class_picture,
    one_hot,
    with_class_picture,
)
from keras_vae.networks.layer_list import build_layers, run_layers
from keras_vae.networks.likelihood_output import (
    add_output_bias,
    check_latents,
    likelihood,
    params_shape,
    set_output_mean,
)

__all__ = [
    "Decoder",
    "Encoder",
    "build_distribution",
    "check_distribution",
    "check_image_shape",
    "with_distribution",
]


def check_distribution(distribution: Any) -> DistributionLayer:
    """Returns it, or raises ValueError unless it is a distribution's layer."""
    if not isinstance(distribution, DistributionLayer):
        raise ValueError(
            "The distribution of a network must be a "
            "keras_vae.distributions.DistributionLayer. "
            f"Received: {distribution!r}"
        )
    return distribution


def with_distribution(config: dict[str, Any]) -> dict[str, Any]:
    """Returns a network's configuration as its constructor takes it."""
    layer = keras.saving.deserialize_keras_object(config["distribution"])
    return {**config, "distribution": layer}


def build_distribution(network: Any, shape: tuple[int | None, ...]) -> None:
    """Builds the distribution, the last of a network to be built."""
    # It is built already where it comes from a file.
    if not network.distribution.built:
        network.distribution.build(shape)
    network.built = True


def check_image_shape(name: str, shape: Sequence[int]) -> None:
    """Raises ValueError unless `shape` is (height, width, channels)."""
    if len(shape) != 3:
        raise ValueError(
            f"`{name}` must be (height, width, channels). "
            f"Received: {name}={tuple(shape)}"
        )


class Encoder(keras.Model):
    """Images to a distribution over latents, q(z|x).

    Sub-classes make `self.stack`, a list of layers from images
    `[batch, height, width, channels]` to `[batch, num_params]`.

    Args:
        distribution: Turns the last output into q(z|x); its event shape is
            the shape of one latent.
        image_shape: (height, width, channels) of the images.
        num_classes: If above 0, it is q(z|x, y): the layers get one more
            channel, a learned picture of the image's class y.
    """

    stack: list[keras.layers.Layer]

    def __init__(
        self,
        distribution: DistributionLayer,
        image_shape: tuple[int, int, int],
        num_classes: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.distribution = check_distribution(distribution)
        check_image_shape("image_shape", image_shape)
        self.image_shape = tuple(image_shape)
        self.num_classes = num_classes
        if num_classes:
            self.class_picture = class_picture(self)

    @property
    def _default_save_signature(self) -> None:
        """None: a part of an exported model answers nothing by itself.

        Keras would trace a call without the label.
        """

    @property
    def latent_dim(self) -> int:
        """Size D of a latent vector."""
        return math.prod(self.distribution.event_shape)

    def build(self, input_shape: Any = None) -> None:
        shape = build_layers(self.stack, (None, *build_class_picture(self)))
        build_distribution(self, shape)

    def call(
        self,
        image: tf.Tensor,
        label: tf.Tensor | None = None,
        training: bool = False,
    ) -> tfd.Distribution:
        """Returns q(z|x), or q(z|x, y).

        Args:
            image: `[batch, H, W, C]` in [0, 1].
            label: The classes y, int32 `[batch]`, where there are classes.
            training: Whether this is a training step, for layers such as
                dropout and batch normalisation.

        Raises:
            ValueError: If `label` is missing, not to be given, or not one for
                each image.
        """
        x = with_class_picture(self, 2.0 * image - 1.0, label)
        return self.distribution(run_layers(self.stack, x, training=training))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Encoder":
        return cls(**with_distribution(config))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "distribution": keras.saving.serialize_keras_object(
                self.distribution
            ),
            "image_shape": self.image_shape,
            "num_classes": self.num_classes,
        }


class Decoder(keras.Model):
    """Latents to a distribution over images, p(x|z).

    Sub-classes make `self.stack`, a list of layers from `[batch, latent_dim]`
    to parameters of the likelihood, `[batch, H, W, C * n]` with n parameters
    for each value. A trainable bias for each parameter is added here; see
    `set_output_mean`.

    Args:
        distribution: Turns the last output into p(x|z); its event shape is
            the shape of one image.
        latent_dim: Size of a latent vector.
        num_classes: If above 0, it is p(x|z, y): the layers get the class y
            beside z, as a one-hot vector.
    """

    stack: list[keras.layers.Layer]

    def __init__(
        self,
        distribution: DistributionLayer,
        latent_dim: int,
        num_classes: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.distribution = check_distribution(distribution)
        event_shape = self.distribution.event_shape
        check_image_shape("distribution.event_shape", event_shape)
        self.latent_dim = latent_dim
        self.num_classes = num_classes

    @property
    def _default_save_signature(self) -> None:
        """None, as that of an encoder."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the images."""
        height, width, channels = self.distribution.event_shape
        return height, width, channels

    @property
    def output_shape_per_image(self) -> tuple[int, int, int]:
        """Shape of the parameters of one image, (H, W, C * n)."""
        return params_shape(self.distribution)

    def build(self, input_shape: Any = None) -> None:
        add_output_bias(self)
        width = self.latent_dim + self.num_classes
        build_distribution(self, build_layers(self.stack, (None, width)))

    def call(
        self,
        z: tf.Tensor,
        label: tf.Tensor | None = None,
        training: bool = False,
    ) -> tfd.Distribution:
        """Returns p(x|z), or p(x|z, y).

        Leading axes, such as `[sample, batch]`, become the batch shape.

        Args:
            z: Latents `[..., latent_dim]`.
            label: The classes y, int32 `[batch]`, where there are classes;
                the same for all of the axes before the batch.
            training: As for an encoder.

        Raises:
            ValueError: If the last axis of `z` is not `latent_dim`; if `label`
                is missing, not to be given, or not one for each image.
        """
        check_latents(z, self.latent_dim)
        rows = z.shape[-2] if z.shape.rank > 1 else None
        x, classes = z, one_hot(self, label, rows)
        if classes is not None:
            shape = tf.concat([tf.shape(z)[:-1], [self.num_classes]], 0)
            classes = tf.broadcast_to(tf.cast(classes, z.dtype), shape)
            x = tf.concat([z, classes], axis=-1)
        width = self.latent_dim + self.num_classes
        x = tf.reshape(x, [-1, width])
        params = run_layers(self.stack, x, training=training)
        leading = None if z.shape.rank == 2 else tf.shape(z)[:-1]
        return likelihood(self, params, leading)

    def set_output_mean(self, mean: Any) -> None:
        """Starts training at p(x|z) = the mean image, whatever z is.

        Args:
            mean: Mean training image in [0, 1], `[height, width, channels]`.
        """
        set_output_mean(self, mean)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Decoder":
        return cls(**with_distribution(config))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "distribution": keras.saving.serialize_keras_object(
                self.distribution
            ),
            "latent_dim": self.latent_dim,
            "num_classes": self.num_classes,
        }
