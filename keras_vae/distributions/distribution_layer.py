"""The base of layers that return a distribution."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.parameters import (
    arrange,
    as_float32,
    as_shape,
)

__all__ = ["DistributionLayer"]


@keras.saving.register_keras_serializable(package="keras_vae")
class DistributionLayer(keras.layers.Layer):
    """Turns the outputs of a network into a `tfd.Distribution`.

    A subclass says how many numbers a distribution takes (`params_size` and
    `num_params`) and what to make of them (`make_distribution`).

    Shapes: with `c = num_params / prod(event_shape[:-1])`, `params` is
    [..., *event_shape[:-1], c], as a convolution ends, or the same flattened,
    [..., num_params], as a dense layer ends. There may be any number of leading
    axes. The last axis decides which of the two it is; where they coincide
    (`event_shape` is 1 but for its last axis) the first is taken.

    The layer computes in float32 under any mixed precision policy: bfloat16
    keeps 8 bits, so that a log-likelihood of -80 nats would come in steps of
    half a nat.

    A distribution is no tensor: the layer works inside a subclassed
    `keras.Model` or `keras.Layer`, and the outermost model must return tensors
    (`log_prob`, `mean`, ...). It does not work in Keras's functional API.

    Args:
        event_shape: Shape of one event, such as (28, 28, 1); an int d means
            (d,).
        **kwargs: `name` and other arguments of `keras.layers.Layer`. `dtype`
            may only be "float32".

    Attributes:
        event_shape: Tuple of ints.
        real_valued: Whether any number can be a value; else, as a likelihood,
            only one in [0, 1].
        is_gaussian: Whether the distribution is a Gaussian vector, with `loc`
            and `scale`, as what mixes posteriors needs it.
        orders_channels: Whether the channels of a position depend on each
            other, each on those before it.

    Raises:
        UserError: If `event_shape` or `dtype` is not as said above, or, when
            the layer is called, if `params` does not have `num_params` numbers
            per event.
    """

    real_valued = False
    is_gaussian = False
    orders_channels = False

    def __init__(self, event_shape: int | Sequence[int], **kwargs: Any) -> None:
        # Not the global policy: under mixed_bfloat16 it would cast `params`.
        kwargs["dtype"] = as_float32(kwargs.get("dtype"))
        super().__init__(**kwargs)
        self.event_shape = as_shape(event_shape)

    @staticmethod
    def params_size(event_shape: Any) -> int:
        """Returns how many numbers one distribution takes.

        Args:
            event_shape: As in the constructor.

        Returns:
            The number of outputs that the network before the layer must have
            for each example.
        """
        raise NotImplementedError("A subclass must define `params_size`.")

    @property
    def num_params(self) -> int:
        """How many numbers one distribution of this layer takes."""
        return self.params_size(self.event_shape)

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Returns the distribution with these parameters.

        Args:
            params: float32 [..., *event_shape[:-1], c].
        """
        raise NotImplementedError("A subclass must define `make_distribution`.")

    @property
    def noise_size(self) -> int:
        """How many uniform numbers `from_noise` makes a position's values of.

        0 where it is not defined.
        """
        return 0

    def from_noise(
        self, params: tf.Tensor, noise: tf.Tensor, temperature: tf.Tensor
    ) -> tf.Tensor:
        """Returns the draw that noise stands for, at any number of positions.

        It is drawn from the distribution with the noise uniform on (0, 1), and
        is a function of its own position's parameters and noise.

        Args:
            params: float32 [..., c].
            noise: float32 [..., noise_size], above 0 and below 1.
            temperature: Sharpens the distribution below 1 and blurs it above,
                broadcastable to [..., 1]; at 0 all but ties is certain.

        Returns:
            Values [..., event_shape[-1]].
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not define `from_noise`."
        )

    def params_from_mean(self, mean: np.ndarray) -> np.ndarray:
        """Returns parameters that give (nearly) a wanted mean.

        A decoder starts from them, as the mean of the training data. The
        parameters that do not set the mean are 0.

        Args:
            mean: [*event_shape], values that the mean can take.

        Returns:
            [*event_shape[:-1], c], what `make_distribution` takes.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not define `params_from_mean`."
        )

    def call(self, params: tf.Tensor) -> tfd.Distribution:
        """Returns one distribution for each example.

        Args:
            params: [..., *event_shape[:-1], c] or [..., num_params].

        Returns:
            A distribution with `event_shape` as its event shape and the
            leading axes of `params` as its batch shape.
        """
        params = tf.cast(params, tf.float32)
        params = arrange(params, self._params_shape, type(self).__name__)
        return self.make_distribution(params)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "event_shape": self.event_shape}

    @property
    def _params_shape(self) -> tuple[int, ...]:
        *leading, _ = self.event_shape
        channels = self.num_params
        for size in leading:
            channels //= size
        return (*leading, channels)
