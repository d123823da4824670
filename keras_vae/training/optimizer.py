"""Adam as the trainer uses it: fused, clipped after reduction, averaged."""

from typing import Any

import keras
import tensorflow as tf

__all__ = ["Adam", "LossScale"]


@keras.saving.register_keras_serializable(package="keras_vae")
class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` with four differences.

    An update is one fused kernel for each variable instead of a dozen
    elementwise operations; and the gradient's global norm is clipped after the
    sum over replicas, so that two replicas take the step that one would take
    with the same global batch (Keras clips each replica's share); and the
    average of the weights (`use_ema`) has the momentum
    `min(ema_momentum, (1 + t) / (10 + t))` at step t, so that it forgets the
    first weights in short runs too; it starts as the weights of the first step;
    and the end of `fit` leaves the weights as they were trained, where Keras
    overwrites them with their averages and a run could not go on from there.

    Args:
        max_norm: Largest global norm of the gradient; 0 turns clipping off.
        **kwargs: Arguments of `keras.optimizers.Adam`, but for `amsgrad`.

    References:
        Kingma and Ba (2015), Adam, algorithm 1 in the form of section 2.
    """

    def __init__(self, *args: Any, max_norm: float = 0.0, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if self.amsgrad:
            raise ValueError("`amsgrad` is not supported. Received: True")
        self.max_norm = max_norm

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: Any
    ) -> None:
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(tf.constant(self.beta_1, tf.float32), step),
            beta2_power=tf.pow(tf.constant(self.beta_2, tf.float32), step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, variable.dtype),
        )

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        pairs = super()._all_reduce_sum_gradients(grads_and_vars)
        if not self.max_norm:
            return pairs
        gradients, variables = zip(*pairs, strict=True)
        clipped, _ = tf.clip_by_global_norm(gradients, self.max_norm)
        return list(zip(clipped, variables, strict=True))

    def _update_model_variables_moving_average(self, variables: Any) -> None:
        step = tf.cast(self.iterations, tf.float32)
        momentum = tf.minimum(self.ema_momentum, (1.0 + step) / (10.0 + step))
        # The averages are zeros until then, which must not be averaged in.
        momentum = tf.where(step > 0, momentum, 0.0)
        averages = self._model_variables_moving_average
        for variable, average in zip(variables, averages, strict=True):
            average.assign(
                average + (1.0 - momentum) * (variable.value - average.value)
            )

    def finalize_variable_values(self, var_list: Any) -> None:
        """Does nothing: who wants the averages takes them."""

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "max_norm": self.max_norm}


@keras.saving.register_keras_serializable(package="keras_vae")
class LossScale(keras.optimizers.LossScaleOptimizer):
    """`keras.optimizers.LossScaleOptimizer` that counts skipped steps too.

    A step whose gradient overflows in float16 changes no weight, but it has
    used its batch: if it did not count, the data would end before the run
    does, and a resumed run would see batches twice.
    """

    def _stateful_handle_non_finite_grads(self) -> None:
        super()._stateful_handle_non_finite_grads()
        self.inner_optimizer.iterations.assign_add(1)
