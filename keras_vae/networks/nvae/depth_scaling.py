"""A start at which deep towers of residual cells change little."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vae.networks.nvae.cells import DecoderCell, EncoderCell
from keras_vae.networks.nvae.convolution import WeightNormConv2D

__all__ = ["depth_factor", "scale_cell", "scale_last_inputs"]


def depth_factor(num_cells: int) -> float:
    """Returns 1 / sqrt(number of cells) (Child 2021, Very Deep VAEs, 3)."""
    return 1.0 / math.sqrt(max(num_cells, 1))


def scale_cell(cell: EncoderCell | DecoderCell, factor: float) -> None:
    """Scales what the residual branch of a built cell ends with.

    In a decoder's cell that is batch normalisation: the convolution before it
    would be normalised again.
    """
    if isinstance(cell, DecoderCell):
        cell.norms[-1].gamma.assign(factor * cell.norms[-1].gamma)
        return
    last: Any = cell.convolutions[-1]
    last.log_gain.assign(last.log_gain + math.log(factor))
    last.bias.assign(factor * last.bias)


def scale_last_inputs(
    convolution: WeightNormConv2D, count: int, factor: float
) -> None:
    """Scales what a built convolution does to its last `count` inputs."""
    layer: Any = convolution
    kernel = layer.effective_kernel()
    factors = np.ones([kernel.shape[2], 1], np.float32)
    factors[-count:] = factor
    kernel *= factors
    layer.kernel.assign(kernel)
    norm = tf.sqrt(tf.reduce_sum(tf.square(kernel), axis=(0, 1, 2)))
    layer.log_gain.assign(tf.math.log(norm))
