"""The top-down tower of NVAE: priors, posteriors and the likelihood."""

from typing import Any

import keras
import tensorflow as tf

from keras_vae.distributions import DistributionLayer
from keras_vae.networks.hierarchy import Stage, TopDownDecoder
from keras_vae.networks.layer_list import build_layers
from keras_vae.networks.likelihood_output import add_output_bias, params_shape
from keras_vae.networks.network import build_distribution
from keras_vae.networks.nvae.architecture import check_sizes, scale_shapes
from keras_vae.networks.nvae.cells import DecoderCell
from keras_vae.networks.nvae.convolution import WeightNormConv2D
from keras_vae.networks.nvae.depth_scaling import (
    depth_factor,
    scale_cell,
    scale_last_inputs,
)
from keras_vae.networks.nvae.flow import FlowPair
from keras_vae.networks.nvae.latent_groups import NVAEGroup, NVAETopGroup

__all__ = ["NVAEDecoder"]


@keras.saving.register_keras_serializable(package="keras_vae")
class NVAEDecoder(TopDownDecoder):
    """From a learned state, group by group, down to p(x|z).

    The state s starts as a trainable map, the same for all images. At each
    group but the top one, `decoder_cells` residual cells lead to

        p(z_l|z_<l)    = N(m_p, s_p),              [m_p, s_p] = conv(elu(s))
        q(z_l|z_<l, x) = N(m_p + m_q, s_p + s_q),
            [m_q, s_q] = conv(feature + conv(s))

    where N bounds what it gets (see `residual_normal.py`). The prior of the
    top group is N(0, 1.01^2) and its posterior comes from its feature alone. z
    is merged by a 1x1 convolution of s and z. Between scales a cell doubles the
    resolution, and after the last group `num_blocks` blocks of cells do.

    With a single group there is no state before it: s = conv(z). With classes
    the top group's convolution reads the one-hot class beside s and z.

    The parameters of p(x|z) have no trainable bias of their own; the constant
    one is zero unless `set_output_mean` is called, as training does where
    the configuration has `output_mean_bias`. The paper has none.

    Args:
        distribution: Turns the last output into p(x|z).
        pad: Pixels that the encoder adds on each side, cropped here.
        channels: Channels at the images' resolution.
        groups_per_scale: Latent groups of each scale, the top one first.
        num_blocks: Doublings after the last scale.
        latent_channels: Channels of each group.
        decoder_cells: Residual cells for each group.
        post_cells: Residual cells of each doubling, the first one doubles.
        decoder_expansion: Factor of the channels inside the cells.
        post_expansion: The same after the last group.
        kernel_size: Odd size of the depthwise convolutions.
        num_flows: Pairs of flow cells for each group's posterior.
        smooth_scale: Whether scales are smoothed softplus functions instead of
            bounded exponentials.
        residual_prior: Whether the layer that gives a prior also gives a
            feature that is added to s.
        depth_scaled_init: Whether the end of each cell and the part of the
            merging convolutions that reads z are scaled by
            1 / sqrt(number of cells) at the start.
        recompute: Whether the backward pass computes the insides of cells
            again, to save memory.

    Raises:
        UserError: If the sizes do not fit.

    References:
        Vahdat and Kautz (2020), NVAE: A Deep Hierarchical Variational
        Autoencoder, sections 3.1 and 3.2, figures 2 and 3a. Child (2021), Very
        Deep VAEs, section 3, for the scaled start and the residual prior.
    """

    def __init__(
        self,
        distribution: DistributionLayer,
        pad: int = 0,
        channels: int = 32,
        groups_per_scale: tuple[int, ...] = (5, 10),
        num_blocks: int = 2,
        latent_channels: int = 20,
        decoder_cells: int = 2,
        post_cells: int = 3,
        decoder_expansion: int = 6,
        post_expansion: int = 3,
        kernel_size: int = 5,
        num_flows: int = 0,
        smooth_scale: bool = False,
        residual_prior: bool = False,
        depth_scaled_init: bool = False,
        recompute: bool = False,
        **kwargs: Any,
    ):
        check_sizes(
            groups_per_scale,
            channels=channels,
            latent_channels=latent_channels,
            decoder_cells=decoder_cells,
            post_cells=post_cells,
            decoder_expansion=decoder_expansion,
            post_expansion=post_expansion,
        )
        scales = scale_shapes(
            distribution.event_shape,
            pad,
            channels,
            num_blocks,
            len(groups_per_scale),
        )
        features = tuple(
            shape
            for shape, count in zip(scales, groups_per_scale, strict=True)
            for _ in range(count)
        )
        super().__init__(
            distribution,
            tuple((*shape[:2], latent_channels) for shape in features),
            **kwargs,
        )
        self.feature_shapes = features
        self.pad = pad
        self.channels = channels
        self.groups_per_scale = tuple(groups_per_scale)
        self.num_blocks = num_blocks
        self.latent_channels = latent_channels
        self.decoder_cells = decoder_cells
        self.post_cells = post_cells
        self.decoder_expansion = decoder_expansion
        self.post_expansion = post_expansion
        self.kernel_size = kernel_size
        self.num_flows = num_flows
        self.smooth_scale = smooth_scale
        self.residual_prior = residual_prior
        self.depth_scaled_init = depth_scaled_init
        self.recompute = recompute
        self._make_cells()
        self._make_heads()
        self.output_convolution = self._conv(
            params_shape(self.distribution)[-1], 3
        )

    def _make_cells(self) -> None:
        """Makes the cells before each group, none before the top one."""
        self.cells: list[list[DecoderCell]] = [[]]
        expansion = self.decoder_expansion
        above = self.feature_shapes[0]
        for shape in self.feature_shapes[1:]:
            up = [] if shape == above else [self._cell(shape, expansion, True)]
            self.cells.append(
                up
                + [
                    self._cell(shape, expansion)
                    for _ in range(self.decoder_cells)
                ]
            )
            above = shape
        self.post: list[DecoderCell] = []
        for block in reversed(range(self.num_blocks)):
            shape = (0, 0, self.channels * 2**block)
            self.post += [
                self._cell(shape, self.post_expansion, upsample=index == 0)
                for index in range(self.post_cells)
            ]

    def _make_heads(self) -> None:
        """Makes what belongs to each group."""
        params = 2 * self.latent_channels
        widths = [shape[-1] for shape in self.feature_shapes]
        below = widths[1:]
        more = [c if self.residual_prior else 0 for c in below]
        self.posteriors = [self._conv(params, 3) for _ in widths]
        self.priors = [self._conv(params + extra, 1) for extra in more]
        self.feature_merges = [self._conv(c, 1) for c in below]
        self.latent_merges = [self._conv(c, 1) for c in widths]
        self.flows = [
            FlowPair(self.latent_channels, dtype=self.dtype_policy)
            for _ in range(self.num_flows * len(widths))
        ]

    def _conv(self, filters: int, kernel_size: int) -> WeightNormConv2D:
        return WeightNormConv2D(filters, kernel_size, dtype=self.dtype_policy)

    def _cell(
        self, shape: tuple[int, ...], expansion: int, upsample: bool = False
    ) -> DecoderCell:
        return DecoderCell(
            shape[-1],
            expansion,
            upsample,
            self.kernel_size,
            recompute=self.recompute,
            dtype=self.dtype_policy,
        )

    def build(self, input_shape: Any = None) -> None:
        # The last convolution has a bias; this one only holds a mean image.
        add_output_bias(self, trainable=False)
        top = self.feature_shapes[0]
        latents = self.latent_channels
        self.initial_state = None
        if len(self.feature_shapes) > 1:
            self.initial_state = self.add_weight(
                name="initial_state",
                shape=top,
                initializer=keras.initializers.RandomUniform(0.0, 1.0),
            )
        shape: Any = (None, *top)
        for index, (height, width, c) in enumerate(self.feature_shapes):
            shape = build_layers(self.cells[index], shape)
            self.posteriors[index].build(shape)
            if index:
                self.priors[index - 1].build(shape)
                self.feature_merges[index - 1].build(shape)
            merged = latents + (0 if self.initial_state is None else c)
            if index == 0:
                merged += self.num_classes
            self.latent_merges[index].build((None, height, width, merged))
            for pair in self._flows_of(index):
                pair.build((None, height, width, latents))
        shape = build_layers(self.post, shape)
        self.output_convolution.build(shape)
        if self.depth_scaled_init:
            self._scale_start()
        build_distribution(self, (None, *params_shape(self.distribution)))

    def _scale_start(self) -> None:
        cells = [cell for cells in self.cells for cell in cells] + self.post
        factor = depth_factor(len(cells))
        for cell in cells:
            scale_cell(cell, factor)
        for merge in self.latent_merges:
            scale_last_inputs(merge, self.latent_channels, factor)

    def start(self, rows: tf.Tensor, classes: tf.Tensor | None) -> tf.Tensor:
        height, width, c = self.feature_shapes[0]
        if self.initial_state is None:
            s = tf.zeros([rows, height, width, 0], self.compute_dtype)
        else:
            s = tf.cast(self.initial_state, self.compute_dtype)
            s = tf.broadcast_to(s, [rows, height, width, c])
        if classes is None:
            return s
        shape = [rows, height, width, self.num_classes]
        classes = tf.broadcast_to(classes[:, tf.newaxis, tf.newaxis], shape)
        return tf.concat([s, classes], axis=-1)

    def stages(self) -> list[Stage]:
        groups = range(len(self.feature_shapes))
        below: list[list[Any]] = [*self.cells[1:], [*self.post, self._params]]
        return [Stage(self._group(i), below[i]) for i in groups]

    def _group(self, index: int) -> NVAETopGroup | NVAEGroup:
        common: dict[str, Any] = {
            "posterior_head": self.posteriors[index],
            "latent_merge": self.latent_merges[index],
            "latent_channels": self.latent_channels,
            "flow_pairs": self._flows_of(index),
            "smooth_scale": self.smooth_scale,
        }
        if index == 0:
            return NVAETopGroup(**common)
        return NVAEGroup(
            self.priors[index - 1], self.feature_merges[index - 1], **common
        )

    def _params(self, s: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the likelihood's parameters, without the padding's."""
        params = self.output_convolution(tf.nn.elu(s))
        if self.pad:
            inside = slice(self.pad, -self.pad)
            params = params[:, inside, inside]
        return tf.cast(params, tf.float32)

    def _flows_of(self, index: int) -> list[FlowPair]:
        first = index * self.num_flows
        return self.flows[first : first + self.num_flows]

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        names = (
            "pad",
            "channels",
            "groups_per_scale",
            "num_blocks",
            "latent_channels",
            "decoder_cells",
            "post_cells",
            "decoder_expansion",
            "post_expansion",
            "kernel_size",
            "num_flows",
            "smooth_scale",
            "residual_prior",
            "depth_scaled_init",
            "recompute",
        )
        return {**config, **{name: getattr(self, name) for name in names}}
