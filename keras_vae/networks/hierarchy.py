"""Base classes of the two networks of a hierarchical model."""

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_vae.distributions import DistributionLayer
from keras_vae.networks.network import Decoder, check_image_shape

__all__ = [
    "BottomUpEncoder",
    "Choose",
    "LocScale",
    "TopDownDecoder",
    "clamp5",
]

LocScale = tuple[tf.Tensor, tf.Tensor]
Choose = Callable[
    [int, LocScale, Callable[[tf.Tensor], LocScale]],
    tf.Tensor,
]


def clamp5(x: tf.Tensor) -> tf.Tensor:
    """Returns 5 tanh(x / 5), within -5 ... 5 and of slope 1 at 0."""
    return 5.0 * tf.tanh(x / 5.0)


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

    Sub-classes implement `build` and `descend`, the one pass that inference,
    decoding and sampling share.

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

    def descend(
        self, rows: tf.Tensor, choose: Choose, training: bool = False
    ) -> tf.Tensor:
        """Goes from the top group down to the parameters of p(x|z).

        At each group l it asks `choose(l, prior, posterior)` for z_l. `prior`
        is the pair (loc, scale) of p(z_l|z_<l), and `posterior` a function of
        the group's feature that returns the pair of q(z_l|z_<l, x), float32
        `[rows, *group_shapes[l]]` each.

        Args:
            rows: Number of examples.
            choose: Returns z_l, float32 `[rows, *group_shapes[l]]`.
            training: Whether this is a training step.

        Returns:
            What `likelihood` takes, `[rows, H, W, C * n]`.
        """
        raise NotImplementedError("A subclass must define `descend`.")

    def flow(self, index: int) -> Callable[[tf.Tensor], tf.Tensor] | None:
        """Returns the volume-preserving flow of a group's posterior, if any."""
        del index
        return None

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
        params = self.descend(
            tf.shape(groups[0])[0], lambda index, *_: groups[index], training
        )
        leading = None if z.shape.rank == 2 else tf.shape(z)[:-1]
        return self.likelihood(params, leading)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["latent_dim"]  # It follows from the sizes of the groups.
        del config["num_classes"]  # It knows none.
        return config
