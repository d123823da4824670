"""A posterior that an inverse autoregressive flow bends."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.config import BuildContext, InverseAutoregressiveConfig
from keras_vae.distributions import DistributionLayer
from keras_vae.distributions.parameters import (
    as_positive_int,
    as_shape,
    to_positive,
)
from keras_vae.flows.flow_distribution import FlowDistribution
from keras_vae.flows.inverse_autoregressive_step import (
    InverseAutoregressiveStep,
)

__all__ = ["InverseAutoregressiveFlow", "build"]

_MIN_SCALE = 1e-5


@keras.saving.register_keras_serializable(package="keras_vae")
class InverseAutoregressiveFlow(DistributionLayer):
    """A diagonal Gaussian through steps of an inverse autoregressive flow.

        z_0 ~ N(loc, diag(scale)^2),  z_t = g_t z_(t-1) + (1 - g_t) m_t

    with [m_t, log g_t] of autoregressive networks that are told a context, the
    network's view of the image, besides z_(t-1). Every second step takes the
    elements in reverse. The elements of z are dependent and their distribution
    need not be Gaussian; a draw and its log-probability are one pass.

    Shapes: `params` is [..., 2 d + context_size]: d loc, d raw scales and the
    context. Samples are [..., d]; `log_prob` is [...], in nats, and takes d
    passes a step for a value that is no draw of the distribution's own. There
    is no closed form of the mean.

    Args:
        event_size: The length d of the vector.
        num_steps: Number of steps T.
        hidden_units: Widths of the hidden layers of each step's network.
        context_size: Size of the context.
        **kwargs: Arguments of `keras.layers.Layer`.

    Attributes:
        event_shape: (d,).

    Raises:
        UserError: If an argument is not as said above.

    Example:

        posterior = InverseAutoregressiveFlow(16, num_steps=2)
        encoder = DenseEncoder(posterior, (28, 28, 1))

    References:
        Kingma et al. (2016), Improving Variational Inference with Inverse
        Autoregressive Flow, equations 10 to 14 and algorithm 1.
        https://arxiv.org/abs/1606.04934
    """

    def __init__(
        self,
        event_size: int,
        num_steps: int = 2,
        hidden_units: Sequence[int] = (128,),
        context_size: int = 64,
        **kwargs: Any,
    ) -> None:
        size = as_positive_int(event_size, "event_size")
        super().__init__(size, **kwargs)
        self.event_size = size
        self.num_steps = as_positive_int(num_steps, "num_steps")
        self.hidden_units = as_shape(hidden_units, "hidden_units")
        self.context_size = as_positive_int(context_size, "context_size")
        self.steps = [
            InverseAutoregressiveStep(
                self.event_size,
                self.hidden_units,
                self.context_size,
                reverse=bool(index % 2),
            )
            for index in range(self.num_steps)
        ]

    @staticmethod
    def params_size(event_size: int, context_size: int = 64) -> int:
        """Returns loc and raw scale of each element, and the context."""
        size = as_positive_int(event_size, "event_size")
        return 2 * size + as_positive_int(context_size, "context_size")

    @property
    def num_params(self) -> int:
        """How many numbers one distribution of this layer takes."""
        return self.params_size(self.event_size, self.context_size)

    def build(self, input_shape: Any = None) -> None:
        for step in self.steps:
            if not step.built:
                step.build()
        self.built = True

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Returns the distribution with these loc, raw scales and context."""
        sizes = [self.event_size, self.event_size, self.context_size]
        loc, raw, context = tf.split(params, sizes, axis=-1)
        base = tfd.MultivariateNormalDiag(
            loc=loc, scale_diag=to_positive(raw, 1.0, _MIN_SCALE)
        )

        def forward(z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            log_slope = tf.zeros_like(z)
            for step in self.steps:
                z, log_gate = step(z, context)
                log_slope += log_gate
            return z, log_slope

        def inverse(z: tf.Tensor) -> tf.Tensor:
            for step in reversed(self.steps):
                z = step.inverse(z, context)
            return z

        return FlowDistribution(base, forward, inverse)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        del config["event_shape"]  # It follows from `event_size`.
        return {
            **config,
            "event_size": self.event_size,
            "num_steps": self.num_steps,
            "hidden_units": self.hidden_units,
            "context_size": self.context_size,
        }


def build(
    config: InverseAutoregressiveConfig, context: BuildContext
) -> InverseAutoregressiveFlow:
    """Returns the posterior of a configuration."""
    assert context.latent_dim is not None
    return InverseAutoregressiveFlow(
        context.latent_dim,
        config.num_steps,
        config.step_units,
        config.context_size,
    )
