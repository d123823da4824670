"""The gated PixelCNN: every pixel's distribution given those before it."""

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions import DistributionLayer
from keras_vae.networks.autoregressive.gated_block import GatedBlock
from keras_vae.networks.autoregressive.pixel_head import PixelHead
from keras_vae.networks.likelihood_output import (
    add_output_bias,
    params_shape,
    set_output_mean,
)
from keras_vae.networks.network import (
    build_distribution,
    check_distribution,
    check_image_shape,
    with_distribution,
)

__all__ = ["PixelCNN"]

_ROWS = 2  # Of the kernels after the first.


@keras.saving.register_keras_serializable(package="keras_vae")
class PixelCNN(keras.Model):
    """Images to p(x_i | x_<i) of each of their values, by masked convolutions.

    Pixels come row by row, from the left to the right, the channels of one in
    their order. Called with an image it returns all the conditionals at once,
    as one distribution: its `log_prob` at that same image is log p(x). Drawing
    (`draw`) goes pixel by pixel.

    Args:
        distribution: What the parameters of a pixel are those of; its event
            shape is that of an image, and it must define `from_noise`.
        filters: Channels of both stacks.
        num_blocks: Gated blocks, the first included.
        first_rows: Rows that the first block sees of the image.
        head_units: Hidden units at each pixel, for each channel.

    Raises:
        ValueError: If the distribution cannot be drawn from position by
            position.

    References:
        van den Oord et al. (2016), Conditional Image Generation with PixelCNN
        Decoders.
    """

    def __init__(
        self,
        distribution: DistributionLayer,
        filters: int = 32,
        num_blocks: int = 5,
        first_rows: int = 3,
        head_units: int = 32,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.distribution = check_distribution(distribution)
        check_image_shape("distribution.event_shape", distribution.event_shape)
        if not distribution.noise_size:
            raise ValueError(
                "`distribution` must be one that is drawn position by position "
                "(define `from_noise`). "
                f"Received: {type(distribution).__name__}"
            )
        self.filters = filters
        self.num_blocks = num_blocks
        self.first_rows = first_rows
        self.head_units = head_units
        self.blocks = [
            GatedBlock(
                filters,
                _ROWS if index else first_rows,
                residual=index > 0,
                name=f"block_{index}",
                dtype=self.dtype_policy,
            )
            for index in range(num_blocks)
        ]
        channels = self.image_shape[-1]
        self._num_ordered = 1 if distribution.orders_channels else channels
        self.head = PixelHead(
            params_shape(distribution)[-1],
            head_units,
            self._num_ordered,
            name="head",
            dtype=self.dtype_policy,
        )

    @property
    def _default_save_signature(self) -> None:
        """None: a part of an exported model answers nothing by itself."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the images."""
        height, width, channels = self.distribution.event_shape
        return height, width, channels

    @property
    def noise_size(self) -> int:
        """How many uniform numbers an image is drawn with."""
        height, width, _ = self.image_shape
        return height * width * self.distribution.noise_size

    def build(self, input_shape: Any = None) -> None:
        add_output_bias(self)
        image = (None, *self.image_shape)
        shapes = image, image
        for block in self.blocks:
            if not block.built:  # A layer from a file is.
                block.build(*shapes)
            shapes = block.compute_output_shape(*shapes)
        if not self.head.built:
            self.head.build(shapes[1], image)
        build_distribution(self, (None, *params_shape(self.distribution)))

    def call(
        self, image: tf.Tensor, training: bool = False
    ) -> tfd.Distribution:
        """Returns the conditionals, batch shape `[batch]`.

        Args:
            image: `[batch, height, width, channels]` in [0, 1].
            training: Makes no difference.
        """
        del training
        return self.distribution(self.params(image))

    def params(self, image: tf.Tensor) -> tf.Tensor:
        """Returns what the conditionals are made of, `[batch, H, W, n]`."""
        x = self._scaled(image)
        vertical = tf.pad(x, [[0, 0], [1, 0], [0, 0], [0, 0]])[:, :-1]
        horizontal = tf.pad(x, [[0, 0], [0, 0], [1, 0], [0, 0]])[:, :, :-1]
        for block in self.blocks:
            vertical, horizontal = block(vertical, horizontal)
        params = self.head(horizontal, x)
        return tf.cast(params, tf.float32) + self.output_bias

    def draw(
        self,
        noise: tf.Tensor,
        temperature: tf.Tensor,
        image: tf.Tensor | None = None,
        num_kept: Any = 0,
    ) -> tf.Tensor:
        """Draws images pixel by pixel, each a function of its row of noise.

        The features of a row and of a pixel are computed once and kept as long
        as later ones need them, so that an image costs about one pass.

        Args:
            noise: Uniform on (0, 1), `[batch, noise_size]`.
            temperature: Of each pixel's distribution, `[batch]`.
            image: Images `[batch, height, width, channels]` whose first rows
                are taken as they are; the others are drawn given those.
            num_kept: How many rows these are.

        Returns:
            Images `[batch, height, width, channels]`.
        """
        height, width, channels = self.image_shape
        batch = tf.shape(noise)[0]
        size = self.distribution.noise_size
        noise = tf.reshape(noise, [batch, height, width, size])
        temperature = temperature[:, tf.newaxis, tf.newaxis, tf.newaxis]
        if image is None:
            image = tf.zeros([batch, height, width, channels])

        def draw_row(
            i: tf.Tensor, rows: tf.TensorArray, above: tf.Tensor, kept: Any
        ) -> tuple[Any, ...]:
            vertical, links, after = above, [], []
            for block, before in zip(self.blocks, kept, strict=True):
                vertical, link, state = block.step_row(vertical, before)
                links.append(link)
                after.append(state)
            bias = self.output_bias[i]
            row = self._draw_row(links, noise[:, i], bias, temperature)
            row = tf.where(i < num_kept, image[:, i, tf.newaxis], row)
            return i + 1, rows.write(i, row[:, 0]), self._scaled(row), after

        _, rows, *_ = tf.while_loop(
            lambda i, *_: i < height,
            draw_row,
            (
                tf.constant(0),
                tf.TensorArray(tf.float32, height),
                tf.zeros([batch, 1, width, channels], self.compute_dtype),
                [block.start_rows(batch, width) for block in self.blocks],
            ),
        )
        return tf.transpose(rows.stack(), [1, 0, 2, 3])

    def _draw_row(
        self,
        links: list[tf.Tensor],
        noise: tf.Tensor,
        bias: tf.Tensor,
        temperature: tf.Tensor,
    ) -> tf.Tensor:
        """Returns one row `[batch, 1, width, channels]`.

        Args:
            links: Of each block, `[batch, 1, width, 2 filters]`.
            noise: `[batch, width, n]`.
            bias: Of the row's parameters, `[width, p]`.
            temperature: `[batch, 1, 1, 1]`.
        """
        _, width, channels = self.image_shape
        batch = tf.shape(noise)[0]

        def draw_pixel(
            j: tf.Tensor, pixels: tf.TensorArray, left: tf.Tensor, kept: Any
        ) -> tuple[Any, ...]:
            h, after = left, []
            for block, link, before in zip(
                self.blocks, links, kept, strict=True
            ):
                # A slice of j:j+1 would have no static size.
                of_pixel = link[:, :, j, tf.newaxis]
                h, state = block.step_pixel(h, of_pixel, before)
                after.append(state)
            some = noise[:, tf.newaxis, j, tf.newaxis]
            pixel = self._draw_pixel(h, some, bias[j], temperature)
            pixels = pixels.write(j, pixel[:, 0, 0])
            return j + 1, pixels, self._scaled(pixel), after

        _, pixels, *_ = tf.while_loop(
            lambda j, *_: j < width,
            draw_pixel,
            (
                tf.constant(0),
                tf.TensorArray(tf.float32, width),
                tf.zeros([batch, 1, 1, channels], self.compute_dtype),
                [block.start_pixels(batch) for block in self.blocks],
            ),
        )
        return tf.transpose(pixels.stack(), [1, 0, 2])[:, tf.newaxis]

    def _draw_pixel(
        self,
        features: tf.Tensor,
        noise: tf.Tensor,
        bias: tf.Tensor,
        temperature: tf.Tensor,
    ) -> tf.Tensor:
        """Returns one pixel `[batch, 1, 1, channels]`.

        Of n ordered channels each round gives one more its value for good: it
        depends on those before it alone, and on noise that stays the same.
        """
        shape = [tf.shape(features)[0], 1, 1, self.image_shape[-1]]
        pixel = tf.zeros(shape)
        for _ in range(self._num_ordered):
            params = self.head(features, self._scaled(pixel))
            params = tf.cast(params, tf.float32) + bias
            pixel = self.distribution.from_noise(params, noise, temperature)
        return pixel

    def _scaled(self, values: tf.Tensor) -> tf.Tensor:
        """Returns drawn values as the blocks take them."""
        return tf.cast(2.0 * values - 1.0, self.compute_dtype)

    def set_output_mean(self, mean: Any) -> None:
        """Starts training at the mean image, whatever comes before a pixel.

        Args:
            mean: Mean training image in [0, 1], `[height, width, channels]`.
        """
        set_output_mean(self, mean)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "PixelCNN":
        return cls(**with_distribution(config))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "distribution": keras.saving.serialize_keras_object(
                self.distribution
            ),
            "filters": self.filters,
            "num_blocks": self.num_blocks,
            "first_rows": self.first_rows,
            "head_units": self.head_units,
        }
