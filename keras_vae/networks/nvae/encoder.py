"""The bottom-up tower of NVAE."""

from typing import Any

import keras
import tensorflow as tf

from keras_vae.networks.conditioning import (
    build_class_picture,
    with_class_picture,
)
from keras_vae.networks.hierarchy import BottomUpEncoder
from keras_vae.networks.layer_list import build_layers
from keras_vae.networks.nvae.architecture import check_sizes, scale_shapes
from keras_vae.networks.nvae.cells import EncoderCell
from keras_vae.networks.nvae.convolution import WeightNormConv2D
from keras_vae.networks.nvae.depth_scaling import depth_factor, scale_cell

__all__ = ["NVAEEncoder"]


@keras.saving.register_keras_serializable(package="keras_vae")
class NVAEEncoder(BottomUpEncoder):
    """Images to one feature for each latent group of an `NVAEDecoder`.

    A 3x3 convolution, `num_blocks` blocks of residual cells that end in half
    the resolution and twice the channels, then for each scale and each of its
    groups `encoder_cells` residual cells, whose output is the group's feature.
    Between scales a cell halves the resolution again. The feature of the top
    group, which comes last, goes through ELU, a 1x1 convolution and ELU.

    With a single group there are no cells after the blocks.

    Args:
        image_shape: (height, width, channels) of the images.
        pad: Black pixels to add on each side.
        channels: Channels at the images' resolution.
        groups_per_scale: Latent groups of each scale, the top one first.
        num_blocks: Halvings before the first scale.
        pre_cells: Residual cells of each block, the last one halves.
        encoder_cells: Residual cells for each group.
        depth_scaled_init: Whether the last convolution of each cell is scaled
            by 1 / sqrt(number of cells) at the start.
        recompute: Whether the backward pass computes the insides of cells
            again, to save memory.

    Raises:
        UserError: If the sizes do not fit.

    References:
        Vahdat and Kautz (2020), NVAE: A Deep Hierarchical Variational
        Autoencoder, figures 2 and 3b. Child (2021), Very Deep VAEs, section
        3, for the scaled start.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        pad: int = 0,
        channels: int = 32,
        groups_per_scale: tuple[int, ...] = (5, 10),
        num_blocks: int = 2,
        pre_cells: int = 3,
        encoder_cells: int = 2,
        depth_scaled_init: bool = False,
        recompute: bool = False,
        **kwargs: Any,
    ):
        check_sizes(
            groups_per_scale,
            channels=channels,
            pre_cells=pre_cells,
            encoder_cells=encoder_cells,
        )
        super().__init__(image_shape, **kwargs)
        self.pad = pad
        self.channels = channels
        self.groups_per_scale = tuple(groups_per_scale)
        self.num_blocks = num_blocks
        self.pre_cells = pre_cells
        self.encoder_cells = encoder_cells
        self.depth_scaled_init = depth_scaled_init
        self.recompute = recompute
        self._shapes = scale_shapes(
            self.image_shape,
            pad,
            channels,
            num_blocks,
            len(self.groups_per_scale),
        )
        self.stem = WeightNormConv2D(channels, 3, dtype=self.dtype_policy)
        self.cells: list[EncoderCell] = []
        # Number of cells that lead to the feature of each group, bottom up.
        self._num_cells: list[int] = []
        self._make_blocks()
        self._make_tower()
        top = self._shapes[0][-1]
        self.top = WeightNormConv2D(top, 1, dtype=self.dtype_policy)

    def _make_blocks(self) -> None:
        for block in range(self.num_blocks):
            filters = self.channels * 2**block
            self._append(filters, self.pre_cells - 1)
            self._append(2 * filters, 1, downsample=True)

    def _make_tower(self) -> None:
        alone = sum(self.groups_per_scale) == 1
        pairs = zip(self._shapes, self.groups_per_scale, strict=True)
        for scale, ((*_, filters), count) in enumerate(reversed(list(pairs))):
            if scale > 0:
                self._append(filters, 1, downsample=True)
            for _ in range(count):
                self._append(filters, 0 if alone else self.encoder_cells)
                self._num_cells.append(len(self.cells))

    def _append(
        self, filters: int, count: int, downsample: bool = False
    ) -> None:
        self.cells += [
            EncoderCell(
                filters,
                downsample,
                recompute=self.recompute,
                dtype=self.dtype_policy,
            )
            for _ in range(count)
        ]

    def build(self, input_shape: Any = None) -> None:
        height, width, channels = build_class_picture(self)
        shape: Any = (None, height + 2 * self.pad, width + 2 * self.pad)
        shape = (*shape, channels)
        build_layers([self.stem, *self.cells, self.top], shape)
        if self.depth_scaled_init:
            factor = depth_factor(len(self.cells))
            for cell in self.cells:
                scale_cell(cell, factor)
        self.built = True

    def call(
        self,
        image: tf.Tensor,
        label: tf.Tensor | None = None,
        training: bool = False,
    ) -> list[tf.Tensor]:
        """Returns the feature of each group, the top group first.

        Args:
            image: `[batch, H, W, C]` in [0, 1].
            label: Their classes, int32 `[batch]`, where there are classes.
            training: Whether batch normalisation uses the batch's statistics.

        Returns:
            `[batch, h, w, c]` for each group, as `NVAEDecoder.feature_shapes`.
        """
        x = with_class_picture(self, 2.0 * image - 1.0, label)
        if self.pad:
            sides = [self.pad, self.pad]
            x = tf.pad(x, [[0, 0], sides, sides, [0, 0]], constant_values=-1)
        x = self.stem(x)
        outputs = [x]
        for cell in self.cells:
            outputs.append(cell(outputs[-1], training=training))
        features = [outputs[count] for count in self._num_cells]
        features[-1] = tf.nn.elu(self.top(tf.nn.elu(features[-1])))
        return features[::-1]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "pad": self.pad,
            "channels": self.channels,
            "groups_per_scale": self.groups_per_scale,
            "num_blocks": self.num_blocks,
            "pre_cells": self.pre_cells,
            "encoder_cells": self.encoder_cells,
            "depth_scaled_init": self.depth_scaled_init,
            "recompute": self.recompute,
        }
