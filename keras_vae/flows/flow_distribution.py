"""The distribution of a Gaussian vector that has gone through a flow."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

__all__ = ["FlowDistribution"]


class FlowDistribution(tfd.Distribution):
    """q(z) of z = f(u), u Gaussian and f invertible, of triangular steps.

        log q(z) = log q(u) - log |det df / du|

    A draw comes with its log q in one pass, from `push` or from
    `experimental_sample_and_log_prob`; `log_prob` of a z from elsewhere needs
    the inverse first.

    Args:
        base: Distribution of u, a `tfd.MultivariateNormalDiag`.
        forward: u to z, and the sum over the steps of the logarithms of their
            Jacobians' diagonals, each shaped as u: summed over the elements it
            is the logarithm of the determinant.
        inverse: z to u.
    """

    def __init__(
        self,
        base: tfd.Distribution,
        forward: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
        inverse: Callable[[tf.Tensor], tf.Tensor],
        name: str = "FlowDistribution",
    ):
        parameters = {"base": base, "forward": forward, "inverse": inverse}
        self.base = base
        self.push = forward
        self.inverse = inverse
        super().__init__(
            dtype=base.dtype,
            reparameterization_type=tfd.FULLY_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    def _batch_shape(self) -> tf.TensorShape:
        return self.base.batch_shape

    def _batch_shape_tensor(self) -> tf.Tensor:
        return self.base.batch_shape_tensor()

    def _event_shape(self) -> tf.TensorShape:
        return self.base.event_shape

    def _event_shape_tensor(self) -> tf.Tensor:
        return self.base.event_shape_tensor()

    def _sample_n(self, n: tf.Tensor, seed: Any = None) -> tf.Tensor:
        return self.push(self.base.sample(n, seed=seed))[0]

    def _sample_and_log_prob(
        self, sample_shape: Any, seed: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        u = self.base.sample(sample_shape, seed=seed)
        z, log_slope = self.push(u)
        return z, self.base.log_prob(u) - tf.reduce_sum(log_slope, axis=-1)

    def _log_prob(self, z: tf.Tensor) -> tf.Tensor:
        u = self.inverse(z)
        _, log_slope = self.push(u)
        return self.base.log_prob(u) - tf.reduce_sum(log_slope, axis=-1)
