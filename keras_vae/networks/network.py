"""Base classes of encoders and decoders: networks that end in distributions."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions import DistributionLayer
from keras_vae.networks.labels import check_label
from keras_vae.networks.layer_list import build_layers, run_layers

__all__ = ["Decoder", "Encoder", "check_image_shape"]


class _Network(keras.Model):
    """A stack of layers and the distribution that its output parametrises."""

    num_classes = 0

    def __init__(self, distribution: DistributionLayer, **kwargs: Any):
        if not isinstance(distribution, DistributionLayer):
            raise ValueError(
                "The distribution of a network must be a "
                "keras_vae.distributions.DistributionLayer. "
                f"Received: {distribution!r}"
            )
        super().__init__(**kwargs)
        self.distribution = distribution

    @property
    def _default_save_signature(self) -> None:
        """None: a part of an exported model answers nothing by itself.

        Keras would trace a call without the label.
        """

    def one_hot(
        self, label: tf.Tensor | None, batch: int | None = None
    ) -> tf.Tensor | None:
        """Returns classes as vectors `[batch, num_classes]`.

        In a graph, where it cannot be read, a label that is no class is an
        error of TensorFlow that names it on CPUs, and gives zeros on GPUs.

        Args:
            label: int32 `[batch]`, or None without classes.
            batch: How many there must be, where that is known.

        Raises:
            ValueError: If there is a label where the network knows no classes,
                or none where it does, or as `check_label`.
        """
        if (label is not None) == bool(self.num_classes):
            if label is None:
                return None
            classes = tf.eye(self.num_classes, dtype=self.compute_dtype)
            label = check_label(label, batch, self.num_classes)
            return tf.gather(classes, label)
        if label is None:
            raise ValueError(
                "`label` must be given: the network is conditional on "
                f"{self.num_classes} classes. Received: label=None"
            )
        raise ValueError(
            "`label` must be left out: the network knows no classes. "
            f"Received: label={label}"
        )

    def build_distribution(self, shape: tuple[int | None, ...]) -> None:
        """Builds the distribution, the last of the network to be built."""
        # It is built already where it comes from a file.
        if not self.distribution.built:
            self.distribution.build(shape)
        self.built = True

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "_Network":
        config = dict(config)
        config["distribution"] = keras.saving.deserialize_keras_object(
            config["distribution"]
        )
        return cls(**config)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config["distribution"] = keras.saving.serialize_keras_object(
            self.distribution
        )
        return config


def check_image_shape(name: str, shape: Sequence[int]) -> None:
    """Raises ValueError unless `shape` is (height, width, channels)."""
    if len(shape) != 3:
        raise ValueError(
            f"`{name}` must be (height, width, channels). "
            f"Received: {name}={tuple(shape)}"
        )


class Encoder(_Network):
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
        super().__init__(distribution, **kwargs)
        check_image_shape("image_shape", image_shape)
        self.image_shape = tuple(image_shape)
        self.num_classes = num_classes
        if num_classes:
            height, width, _ = self.image_shape
            self.class_picture = keras.layers.Dense(
                height * width,
                use_bias=False,
                name="class_picture",
                dtype=self.dtype_policy,
            )

    @property
    def latent_dim(self) -> int:
        """Size D of a latent vector."""
        return math.prod(self.distribution.event_shape)

    def build(self, input_shape: Any = None) -> None:
        height, width, channels = self.image_shape
        if self.num_classes:
            channels += 1
            if not self.class_picture.built:
                self.class_picture.build((None, self.num_classes))
        shape = (None, height, width, channels)
        self.build_distribution(build_layers(self.stack, shape))

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
        x = 2.0 * image - 1.0
        one_hot = self.one_hot(label, x.shape[0])
        if one_hot is not None:
            picture = tf.reshape(
                self.class_picture(one_hot), [-1, *self.image_shape[:2], 1]
            )
            x = tf.concat([tf.cast(x, picture.dtype), picture], axis=-1)
        return self.distribution(run_layers(self.stack, x, training=training))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "num_classes": self.num_classes,
        }


class Decoder(_Network):
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
        super().__init__(distribution, **kwargs)
        check_image_shape("distribution.event_shape", distribution.event_shape)
        self.latent_dim = latent_dim
        self.num_classes = num_classes

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the images."""
        height, width, channels = self.distribution.event_shape
        return height, width, channels

    @property
    def output_shape_per_image(self) -> tuple[int, int, int]:
        """Shape of the parameters of one image, (H, W, n)."""
        height, width, _ = self.image_shape
        return height, width, self.distribution.num_params // (height * width)

    def build(self, input_shape: Any = None) -> None:
        self.build_output_bias()
        width = self.latent_dim + self.num_classes
        self.build_distribution(build_layers(self.stack, (None, width)))

    def build_output_bias(self) -> None:
        """Adds the bias of the likelihood's parameters."""
        self.output_bias = self.add_weight(
            name="output_bias",
            shape=self.output_shape_per_image,
            initializer="zeros",
            dtype="float32",
            autocast=False,  # The likelihood's parameters are float32.
        )

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
        self.check_latents(z)
        rows = z.shape[-2] if z.shape.rank > 1 else None
        x, one_hot = z, self.one_hot(label, rows)
        if one_hot is not None:
            shape = tf.concat([tf.shape(z)[:-1], [self.num_classes]], 0)
            one_hot = tf.broadcast_to(tf.cast(one_hot, z.dtype), shape)
            x = tf.concat([z, one_hot], axis=-1)
        width = self.latent_dim + self.num_classes
        x = tf.reshape(x, [-1, width])
        params = run_layers(self.stack, x, training=training)
        leading = None if z.shape.rank == 2 else tf.shape(z)[:-1]
        return self.likelihood(params, leading)

    def check_latents(self, z: tf.Tensor) -> None:
        """Raises ValueError unless z is `[..., latent_dim]`."""
        if not z.shape.rank or z.shape[-1] not in (None, self.latent_dim):
            raise ValueError(
                f"`z` must have the shape [..., {self.latent_dim}], the "
                f"latent_dim of the decoder. Received: shape {z.shape}"
            )

    def likelihood(
        self, params: tf.Tensor, leading: tf.Tensor | None = None
    ) -> tfd.Distribution:
        """Returns p(x|z) with what the network gave for it.

        Args:
            params: `[rows, H, W, C * n]`.
            leading: Batch shape whose product is `rows`; `[rows]` unless given.
        """
        params = tf.cast(params, tf.float32) + self.output_bias
        if leading is not None:
            params = tf.reshape(
                params, tf.concat([leading, self.output_shape_per_image], 0)
            )
        return self.distribution(params)

    def set_output_mean(self, mean: Any) -> None:
        """Starts training at p(x|z) = the mean image, whatever z is.

        Sets the bias of the output so that parameters of zero from the network
        give a likelihood with this mean, which saves the network the first
        steps (Burda et al. 2016, appendix).

        Args:
            mean: Mean training image in [0, 1], `[height, width, channels]`.
        """
        bias = self.distribution.params_from_mean(np.asarray(mean))
        self.output_bias.assign(bias.reshape(self.output_shape_per_image))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "num_classes": self.num_classes,
        }
