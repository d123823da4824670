"""One step of an inverse autoregressive flow."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_vae.distributions.parameters import as_float32
from keras_vae.flows.autoregressive_network import AutoregressiveNetwork

__all__ = ["InverseAutoregressiveStep"]

# Gates begin nearly open, as the forget gates of an LSTM (section 4).
_OPEN = 2.0


@keras.saving.register_keras_serializable(package="keras_vae")
class InverseAutoregressiveStep(keras.layers.Layer):
    """z' = g z + (1 - g) m,  g = sigmoid(s),  [m, s] = network(z).

    m_i and s_i depend on the elements before i, so that the Jacobian is
    triangular with the gates g on its diagonal: its log-determinant is the sum
    of log g.

    Args:
        event_size: Number of elements of z.
        hidden_units: Of the network.
        context_size: Of the network.
        reverse: Of the network.
        **kwargs: Arguments of `keras.layers.Layer`.

    References:
        Kingma et al. (2016), Improving Variational Inference with Inverse
        Autoregressive Flow, equations 13 and 14.
    """

    def __init__(
        self,
        event_size: int,
        hidden_units: Sequence[int] = (64,),
        context_size: int = 0,
        reverse: bool = False,
        **kwargs: Any,
    ):
        kwargs["dtype"] = as_float32(kwargs.get("dtype"))
        super().__init__(**kwargs)
        self.network = AutoregressiveNetwork(
            event_size,
            hidden_units,
            context_size=context_size,
            reverse=reverse,
        )

    def build(self, input_shape: Any = None) -> None:
        if not self.network.built:
            self.network.build()
        self.built = True

    def call(
        self, z: tf.Tensor, context: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns z' and log g, each `[..., event_size]`.

        Args:
            z: `[..., event_size]`.
            context: As for `AutoregressiveNetwork`.
        """
        shift, gate = self._shift_and_gate(z, context)
        out = tf.sigmoid(gate) * z + tf.sigmoid(-gate) * shift
        return out, tf.math.log_sigmoid(gate)

    def inverse(
        self, z: tf.Tensor, context: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Returns what `call` makes z' of, element by element.

        It takes as many passes through the network as there are elements.

        Args:
            z: z', `[..., event_size]`.
            context: As for `call`.
        """

        def body(index: tf.Tensor, guess: tf.Tensor) -> Any:
            shift, gate = self._shift_and_gate(guess, context)
            guess = (z - tf.sigmoid(-gate) * shift) / tf.sigmoid(gate)
            return index + 1, guess

        # Each pass makes one element more exact, in the network's order. The
        # first is outside of the loop: from it on the shape is the broadcast.
        index, guess = body(tf.constant(0), z)
        return tf.while_loop(
            lambda index, _: index < self.event_size, body, [index, guess]
        )[1]

    def _shift_and_gate(
        self, z: tf.Tensor, context: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        shift, gate = tf.unstack(self.network(z, context), axis=-1)
        return shift, gate + _OPEN

    @property
    def event_size(self) -> int:
        """Number of elements of z."""
        return self.network.event_size

    @property
    def hidden_units(self) -> tuple[int, ...]:
        """Widths of the network's hidden layers."""
        return self.network.hidden_units

    @property
    def context_size(self) -> int:
        """Size of the context; 0 for none."""
        return self.network.context_size

    @property
    def reverse(self) -> bool:
        """Whether the last element comes first."""
        return self.network.reverse

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "event_size": self.event_size,
            "hidden_units": self.hidden_units,
            "context_size": self.context_size,
            "reverse": self.reverse,
        }
