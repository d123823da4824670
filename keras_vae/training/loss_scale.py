"""The scaling of the loss, for training in float16."""

from typing import Any

import keras
import tensorflow as tf

from keras_vae.training.guard import Guard

__all__ = ["LossScale"]


@keras.saving.register_keras_serializable(package="keras_vae")
class LossScale(keras.optimizers.LossScaleOptimizer):
    """`keras.optimizers.LossScaleOptimizer` around a `Guard`.

    Gradients that overflowed in float16 reach the guard, which skips
    and counts the step, or the update that they are part of, on all replicas
    alike. Such a step has used its batch: if it did not count, the data would
    end before the run does, and a resumed run would see batches twice.

    With an optimizer of Keras inside it does as Keras's.
    """

    @property
    def skips_steps(self) -> bool:
        """Whether the optimizer within says which steps were skipped."""
        return isinstance(self.inner_optimizer, Guard)

    @property
    def last_step_skipped(self) -> tf.Tensor:
        """Whether the last step changed nothing, a scalar bool."""
        return self.inner_optimizer.last_step_skipped

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        if not self.skips_steps:
            super().apply(grads, trainable_variables)
            return
        if not self.built:
            self.build(trainable_variables)
        scale = tf.convert_to_tensor(self.dynamic_scale)
        unscaled = [None if g is None else g / scale for g in grads]
        finite = _all_replicas(self.check_finite(grads))
        self.inner_optimizer.apply(unscaled, trainable_variables)
        self._adapt(finite)

    def _adapt(self, finite: tf.Tensor) -> None:
        """Halves the scale after an overflow, doubles it after a long time."""
        steps = tf.convert_to_tensor(self.step_counter) + 1
        grown = finite & (steps == self.dynamic_growth_steps)
        factor = tf.where(finite, tf.where(grown, 2.0, 1.0), 0.5)
        self.dynamic_scale.assign(self.dynamic_scale * factor)
        self.step_counter.assign(tf.where(finite & ~grown, steps, 0))


def _all_replicas(condition: tf.Tensor) -> tf.Tensor:
    """Returns whether something is so on all replicas."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return condition
    misses = tf.cast(~condition, tf.float32)
    return context.all_reduce(tf.distribute.ReduceOp.SUM, misses) == 0
