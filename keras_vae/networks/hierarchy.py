"""The two networks of a hierarchical model, and the one pass down them."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import global_batch, seeds
from keras_vae.distributions import DistributionLayer
from keras_vae.networks.conditioning import check_label, class_picture, one_hot
from keras_vae.networks.latent_choices import (
    Choice,
    Latent,
    LatentBlock,
    fixed,
)
from keras_vae.networks.layer_list import run_layers
from keras_vae.networks.likelihood_output import (
    check_latents,
    likelihood,
    set_output_mean,
)
from keras_vae.networks.network import (
    check_distribution,
    check_image_shape,
    with_distribution,
)

__all__ = [
    "BottomUpEncoder",
    "Stage",
    "TopDownDecoder",
]


class Stage(NamedTuple):
    """A group, and the layers from it down to the next or to the output."""

    block: LatentBlock
    layers: list[Callable[..., tf.Tensor]]


class BottomUpEncoder(keras.Model):
    """Images to one feature for each latent group.

    Sub-classes implement `build` and `call(image, training=False)`, which
    returns a list: entry l is what the posterior of group l of the
    `TopDownDecoder` asks for, the top group first. With `num_classes` it is
    `call(image, label, training=False)`.

    Args:
        image_shape: (height, width, channels) of the images.
        num_classes: If above 0, the features are of an image x and its class
            y, of which there is a learned picture, one more channel of x.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        check_image_shape("image_shape", image_shape)
        self.image_shape = tuple(image_shape)
        self.num_classes = num_classes
        if num_classes:
            self.class_picture = class_picture(self)

    @property
    def _default_save_signature(self) -> None:
        """None, as that of an encoder."""

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "num_classes": self.num_classes,
        }


class TopDownDecoder(keras.Model):
    """The generative path p(z_1) p(z_2|z_1) ... p(x|z), with its posteriors.

    Sub-classes implement `build`, `start` and `stages`.

    Args:
        distribution: Turns the last output into p(x|z).
        group_shapes: Event shape of each latent group, the top group first.
        num_classes: If above 0, what is below the top group is given the class
            y: p(z_1) p(z_2|z_1, y) ... p(x|z, y).

    References:
        Sonderby et al. (2016), Ladder Variational Autoencoders, section 2.
    """

    def __init__(
        self,
        distribution: DistributionLayer,
        group_shapes: tuple[tuple[int, ...], ...],
        num_classes: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.distribution = check_distribution(distribution)
        event_shape = self.distribution.event_shape
        check_image_shape("distribution.event_shape", event_shape)
        self.group_shapes = tuple(tuple(shape) for shape in group_shapes)
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
    def latent_dim(self) -> int:
        """Size of all groups together."""
        return sum(math.prod(shape) for shape in self.group_shapes)

    def start(self, rows: tf.Tensor, classes: tf.Tensor | None) -> tf.Tensor:
        """Returns the stream that the top group reads, `[rows, ...]`.

        Args:
            rows: Number of examples.
            classes: One-hot `[rows, num_classes]`, where there are classes.
        """
        raise NotImplementedError("A subclass must define `start`.")

    def stages(self) -> list[Stage]:
        """Returns the groups from the top down, and the layers after each.

        The last layer of the last stage gives the parameters of p(x|z),
        `[rows, H, W, C * n]`. All take the keyword `training`.
        """
        raise NotImplementedError("A subclass must define `stages`.")

    def descend(
        self,
        choices: Sequence[Choice],
        rows: tf.Tensor,
        label: tf.Tensor | None = None,
        training: bool = False,
    ) -> tuple[tf.Tensor, list[Latent]]:
        """Goes from the top group down to the parameters of p(x|z).

        Args:
            choices: How each group gets its latent, the top group first.
            rows: Number of examples.
            label: Their classes, int32 `[rows]`, where there are classes.
            training: Whether this is a training step.

        Returns:
            params: What `likelihood` takes, `[rows, H, W, C * n]`.
            latents: Of each group.
        """
        classes = one_hot(self, label, tf.get_static_value(rows))
        x, latents = self.start(rows, classes), []
        for stage, choice in zip(self.stages(), choices, strict=True):
            state = stage.block.read(x)
            latents.append(choice(stage.block, state))
            x = stage.block.merge(state, latents[-1].z)
            x = run_layers(stage.layers, x, training=training)
        return x, latents

    def likelihood(
        self, params: tf.Tensor, leading: tf.Tensor | None = None
    ) -> tfd.Distribution:
        """Returns p(x|z) with what `descend` gave for it.

        Args:
            params: `[rows, H, W, C * n]`.
            leading: Batch shape whose product is `rows`; `[rows]` unless given.
        """
        return likelihood(self, params, leading)

    def set_output_mean(self, mean: Any) -> None:
        """Does as `Decoder.set_output_mean`."""
        set_output_mean(self, mean)

    def split(self, z: tf.Tensor) -> list[tf.Tensor]:
        """Returns the groups of flat latents: `[rows, *group_shapes[l]]`.

        Args:
            z: `[..., latent_dim]`; all axes but the last become rows.

        Raises:
            ValueError: If the last axis has another size.
        """
        z = tf.convert_to_tensor(z)
        check_latents(z, self.latent_dim)
        sizes = [math.prod(shape) for shape in self.group_shapes]
        parts = tf.split(z, sizes, axis=-1)
        return [
            tf.reshape(part, [-1, *shape])
            for part, shape in zip(parts, self.group_shapes, strict=True)
        ]

    def draw_noise(self, rows: tf.Tensor, seed: tf.Tensor) -> list[tf.Tensor]:
        """Returns standard normal `[rows, *shape]` for each group."""

        def noise_of(index: int, shape: tuple[int, ...]) -> tf.Tensor:
            def normal(leading: list[Any], seed: tf.Tensor) -> tf.Tensor:
                return tf.random.stateless_normal(
                    [*leading, *shape], seeds.fold_in(seed, index)
                )

            return global_batch.draw(normal, seed, rows)

        return [
            noise_of(index, shape)
            for index, shape in enumerate(self.group_shapes)
        ]

    def call(
        self,
        z: tf.Tensor,
        label: tf.Tensor | None = None,
        training: bool = False,
    ) -> Any:
        """Returns p(x|z), or p(x|z, y), for latents `[..., latent_dim]`.

        The groups are flattened and concatenated, the top group first.

        Args:
            z: Latents `[..., latent_dim]`.
            label: The classes y, int32 `[batch]`, where there are classes;
                the same for all of the axes before the batch.
            training: Whether this is a training step.

        Raises:
            ValueError: If the last axis is not `latent_dim`; if `label` is
                missing, not to be given, or not one for each image.
        """
        groups = self.split(z)
        leading = None if z.shape.rank == 2 else tf.shape(z)[:-1]
        if label is not None and leading is not None:
            label = check_label(label, z.shape[-2], self.num_classes)
            label = tf.reshape(tf.broadcast_to(label, leading), [-1])
        params, _ = self.descend(
            [fixed(group) for group in groups],
            tf.shape(groups[0])[0],
            label,
            training,
        )
        return self.likelihood(params, leading)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TopDownDecoder":
        return cls(**with_distribution(config))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "distribution": keras.saving.serialize_keras_object(
                self.distribution
            ),
            "num_classes": self.num_classes,
        }
