"""The two networks of a hierarchical model, and the one pass down them."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_vae.distributions import DistributionLayer
from keras_vae.networks.latent_choices import (
    Choice,
    Latent,
    LatentBlock,
    fixed,
)
from keras_vae.networks.layer_list import run_layers
from keras_vae.networks.network import Decoder, check_image_shape

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
    `TopDownDecoder` asks for, the top group first.

    Args:
        image_shape: (height, width, channels) of the images.
    """

    def __init__(self, image_shape: tuple[int, int, int], **kwargs: Any):
        super().__init__(**kwargs)
        check_image_shape("image_shape", image_shape)
        self.image_shape = tuple(image_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "image_shape": self.image_shape}


class TopDownDecoder(Decoder):
    """The generative path p(z_1) p(z_2|z_1) ... p(x|z), with its posteriors.

    Sub-classes implement `build`, `start` and `stages`.

    Args:
        distribution: Turns the last output into p(x|z).
        group_shapes: Event shape of each latent group, the top group first.

    References:
        Sonderby et al. (2016), Ladder Variational Autoencoders, section 2.
    """

    def __init__(
        self,
        distribution: DistributionLayer,
        group_shapes: tuple[tuple[int, ...], ...],
        **kwargs: Any,
    ):
        self._group_sizes = [math.prod(shape) for shape in group_shapes]
        super().__init__(distribution, sum(self._group_sizes), **kwargs)
        self.group_shapes = tuple(tuple(shape) for shape in group_shapes)

    def start(self, rows: tf.Tensor) -> tf.Tensor:
        """Returns the stream that the top group reads, `[rows, ...]`."""
        raise NotImplementedError("A subclass must define `start`.")

    def stages(self) -> list[Stage]:
        """Returns the groups from the top down, and the layers after each.

        The last layer of the last stage gives the parameters of p(x|z),
        `[rows, H, W, C * n]`. All take the keyword `training`.
        """
        raise NotImplementedError("A subclass must define `stages`.")

    def descend(
        self, choices: Sequence[Choice], rows: tf.Tensor, training: bool = False
    ) -> tuple[tf.Tensor, list[Latent]]:
        """Goes from the top group down to the parameters of p(x|z).

        Args:
            choices: How each group gets its latent, the top group first.
            rows: Number of examples.
            training: Whether this is a training step.

        Returns:
            params: What `likelihood` takes, `[rows, H, W, C * n]`.
            latents: Of each group.
        """
        x, latents = self.start(rows), []
        for stage, choice in zip(self.stages(), choices, strict=True):
            state = stage.block.read(x)
            latents.append(choice(stage.block, state))
            x = stage.block.merge(state, latents[-1].z)
            x = run_layers(stage.layers, x, training=training)
        return x, latents

    def split(self, z: tf.Tensor) -> list[tf.Tensor]:
        """Returns the groups of flat latents: `[rows, *group_shapes[l]]`.

        Args:
            z: `[..., latent_dim]`; all axes but the last become rows.

        Raises:
            ValueError: If the last axis has another size.
        """
        z = tf.convert_to_tensor(z)
        self.check_latents(z)
        parts = tf.split(z, self._group_sizes, axis=-1)
        return [
            tf.reshape(part, [-1, *shape])
            for part, shape in zip(parts, self.group_shapes, strict=True)
        ]

    def call(
        self,
        z: tf.Tensor,
        label: tf.Tensor | None = None,
        training: bool = False,
    ) -> Any:
        """Returns p(x|z) for latents `[..., latent_dim]`.

        The groups are flattened and concatenated, the top group first.

        Raises:
            ValueError: If the last axis is not `latent_dim`, or there is a
                label: no hierarchy is conditional yet.
        """
        self.one_hot(label)
        groups = self.split(z)
        params, _ = self.descend(
            [fixed(group) for group in groups], tf.shape(groups[0])[0], training
        )
        leading = None if z.shape.rank == 2 else tf.shape(z)[:-1]
        return self.likelihood(params, leading)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["latent_dim"]  # It follows from the sizes of the groups.
        del config["num_classes"]  # It knows none.
        return config
