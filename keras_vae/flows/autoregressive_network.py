"""A dense network whose output i depends on the inputs before i alone."""

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vae.distributions.parameters import (
    as_float32,
    as_positive_int,
    as_shape,
)

__all__ = ["AutoregressiveNetwork"]


@keras.saving.register_keras_serializable(package="keras_vae")
class AutoregressiveNetwork(keras.layers.Layer):
    """MADE: `[..., event_size]` to `num_outputs` numbers for each element.

    Those of element i are functions of z_1 ... z_(i-1) and of the context, so
    that one pass gives all of them at once. A unit of a hidden layer has a
    degree k, 0 ... event_size - 1, and depends on the first k elements: it
    takes from units of its own degree and below, and output i from those of
    degrees below i. Units of degree 0 are there for the context. It computes
    in float32, as the log-probabilities do that are made of it.

    Args:
        event_size: Number of elements of z.
        hidden_units: Widths of the hidden layers, one at least.
        num_outputs: Numbers for each element.
        context_size: Size of the context; 0 for none.
        reverse: Whether the last element comes first.
        activation: Name of a Keras activation.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If a size is not a whole number of 1 or more.

    References:
        Germain et al. (2015), MADE: Masked Autoencoder for Distribution
        Estimation, equations 8 and 9.
    """

    def __init__(
        self,
        event_size: int,
        hidden_units: Sequence[int] = (64,),
        num_outputs: int = 2,
        context_size: int = 0,
        reverse: bool = False,
        activation: str = "elu",
        **kwargs: Any,
    ):
        kwargs["dtype"] = as_float32(kwargs.get("dtype"))
        super().__init__(**kwargs)
        self.event_size = as_positive_int(event_size, "event_size")
        self.hidden_units = as_shape(hidden_units, "hidden_units")
        self.num_outputs = as_positive_int(num_outputs, "num_outputs")
        self.context_size = context_size
        self.reverse = reverse
        self.activation = activation
        self._act = keras.activations.get(activation)
        self._masks = [tf.constant(m, tf.float32) for m in self._make_masks()]

    def _make_masks(self) -> list[np.ndarray]:
        order = np.arange(1, self.event_size + 1)
        order = order[::-1] if self.reverse else order
        degrees = [order]
        for units in self.hidden_units:
            degrees.append(np.arange(units) % self.event_size)
        masks = [
            (after >= before[:, np.newaxis])
            for before, after in itertools.pairwise(degrees)
        ]
        last = np.repeat(order, self.num_outputs)
        return [*masks, last > degrees[-1][:, np.newaxis]]

    def build(self, input_shape: Any = None) -> None:
        self.kernels, self.biases = [], []
        for index, mask in enumerate(self._masks):
            self.kernels.append(
                self.add_weight(name=f"kernel_{index}", shape=mask.shape)
            )
            self.biases.append(
                self.add_weight(
                    name=f"bias_{index}",
                    shape=mask.shape[1:],
                    initializer="zeros",
                )
            )
        if self.context_size:
            self.context_kernel = self.add_weight(
                name="context_kernel",
                shape=(self.context_size, self.hidden_units[0]),
            )
        self.built = True

    def call(self, z: tf.Tensor, context: tf.Tensor | None = None) -> tf.Tensor:
        """Returns the numbers of each element.

        Args:
            z: `[..., event_size]`.
            context: `[..., context_size]`, broadcastable to z but for the last
                axis; None without one.

        Returns:
            `[..., event_size, num_outputs]`.
        """
        x = self._layer(0, z)
        if context is not None:
            x += tf.tensordot(context, self.context_kernel, 1)
        for index in range(1, len(self.kernels)):
            x = self._layer(index, self._act(x))
        shape = tf.concat(
            [tf.shape(x)[:-1], [self.event_size, self.num_outputs]], 0
        )
        return tf.reshape(x, shape)

    def _layer(self, index: int, x: tf.Tensor) -> tf.Tensor:
        kernel = self.kernels[index] * self._masks[index]
        return tf.tensordot(x, kernel, 1) + self.biases[index]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "event_size": self.event_size,
            "hidden_units": self.hidden_units,
            "num_outputs": self.num_outputs,
            "context_size": self.context_size,
            "reverse": self.reverse,
            "activation": self.activation,
        }
