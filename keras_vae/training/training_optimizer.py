"""What the optimizers of the trainer share: clipping, averages, survival."""

import abc
from typing import Any

import keras
import tensorflow as tf

__all__ = ["TrainingOptimizer"]

_WINDOW = 64
_Pairs = list[tuple[tf.Tensor, tf.Variable]]


class TrainingOptimizer(keras.optimizers.Optimizer, abc.ABC):
    """A Keras optimizer that survives a bad step, with four more differences.

    An update is one or a few fused kernels for each variable; the gradient's
    global norm is clipped after the sum over replicas, so that two replicas
    take the step that one would take with the same global batch (Keras clips
    each replica's share); the average of the weights (`use_ema`) has the
    momentum `min(ema_momentum, (1 + t) / (10 + t))` at update t, so that it
    forgets the first weights in short runs too, and starts as the weights of
    the first update; and the end of `fit` leaves the weights as they were
    trained, where Keras overwrites them with their averages.

    A step whose gradient is not finite changes no weight, moment or average,
    on any replica: it is as if its batch had not been, but that `iterations`
    counts it, because the order of the data and the schedules depend on it.
    With `skip_factor`, so is a step whose norm exceeds that multiple of the
    median of the last 64 norms: a threshold that follows the run. Where the
    gradient has become larger for good, such a threshold alone would skip
    every step from then on; so after `max_consecutive_skips` skipped steps one
    is applied, clipped to the threshold, and its norm enters the median.

    Args:
        learning_rate: A number or a `LearningRateSchedule`.
        max_norm: Largest global norm of the gradient; 0 turns clipping off.
        skip_factor: Steps with a norm above this multiple of the running
            median are skipped, above 1; 0 turns that off.
        max_consecutive_skips: So many steps in a row are skipped at most for
            the size of their gradient.
        **kwargs: Arguments of `keras.optimizers.Optimizer`.

    Attributes:
        skipped_steps: Steps so far that changed nothing, int64.
        consecutive_skips: The last so many steps did, int64.
        nonfinite_counts: In how many steps the gradient of each variable was
            not finite, int64 `[num_variables]`.
        accepted_norms: The last norms before clipping, of the steps that were
            applied, the newest last, 0 where there are none yet, `[64]`.

    References:
        Child (2021), Very Deep VAEs (which skips large gradients).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        *,
        max_norm: float = 0.0,
        skip_factor: float = 0.0,
        max_consecutive_skips: int = 10,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, **kwargs)
        if not 0 <= max_norm < float("inf"):
            raise ValueError(
                "`max_norm` must be a finite number of at least 0. "
                f"Received: max_norm={max_norm}"
            )
        if skip_factor != 0 and not 1 < skip_factor < float("inf"):
            raise ValueError(
                "`skip_factor` must be 0 or a finite number above 1. "
                f"Received: skip_factor={skip_factor}"
            )
        if max_consecutive_skips < 1:
            raise ValueError(
                "`max_consecutive_skips` must be at least 1. "
                f"Received: max_consecutive_skips={max_consecutive_skips}"
            )
        self.max_norm = max_norm
        self.skip_factor = skip_factor
        self.max_consecutive_skips = max_consecutive_skips

    # What sub-classes implement.

    @abc.abstractmethod
    def add_slots(self, variables: list[Any]) -> None:
        """Adds the moments of the variables."""

    @abc.abstractmethod
    def scalars(
        self, accepted: tf.Tensor, learning_rate: tf.Tensor, count: tf.Tensor
    ) -> dict[str, Any]:
        """Returns what `update_step` needs and all variables share.

        Args:
            accepted: Whether this step changes anything. Where it does not,
                the gradient and the learning rate are 0, and what comes back
                must leave the moments as they are.
            learning_rate: float32.
            count: Updates so far, with this one, float32.
        """

    # What the training step asks for.

    skips_steps = True

    @property
    def last_step_skipped(self) -> tf.Tensor:
        """Whether the last step changed nothing, a scalar bool.

        Of a step that only added its gradient to those of an update to come it
        is not known yet: False.
        """
        skipped = tf.convert_to_tensor(self.consecutive_skips) > 0
        if not self.gradient_accumulation_steps:
            return skipped
        steps = tf.convert_to_tensor(self._iterations)
        return skipped & (steps % self.gradient_accumulation_steps == 0)

    # What Keras calls.

    def build(self, variables: list[Any]) -> None:
        if self.built:
            return
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if self.gradient_accumulation_steps and replicas > 1:
            raise ValueError(
                "`gradient_accumulation_steps` must be None on several "
                "replicas, on which Keras cannot add gradients up: use larger "
                "batches or one replica. Received: gradient_accumulation_steps="
                f"{self.gradient_accumulation_steps} on {replicas} replicas"
            )
        super().build(variables)
        self.add_slots(variables)
        self.skipped_steps = self._counter((), "skipped_steps")
        self.consecutive_skips = self._counter((), "consecutive_skips")
        self.nonfinite_counts = self._counter(
            (len(variables),), "nonfinite_counts"
        )
        self.accepted_norms = self.add_variable(
            (_WINDOW,), dtype="float32", name="accepted_norms"
        )

    def _counter(self, shape: tuple[int, ...], name: str) -> keras.Variable:
        # Without aggregation: each replica writes its own copy, the same.
        return self.add_variable(shape, dtype="int64", name=name)

    def _backend_update_step(
        self, grads: Any, trainable_variables: Any, learning_rate: Any
    ) -> None:
        variables = [getattr(v, "value", v) for v in trainable_variables]
        pairs = self._all_reduce_sum_gradients(
            list(zip(grads, variables, strict=True))
        )
        count = self.iterations + 1 - self.skipped_steps
        # Every replica judges the same sum, and so judges alike.
        accepted, factor = self._judge(pairs)
        rate = tf.cast(learning_rate, tf.float32)
        scalars = self.scalars(
            accepted,
            tf.where(accepted, rate, 0.0),
            tf.cast(count, tf.float32),
        )
        pairs = [
            # 0 where the factor is, whatever the gradient.
            (tf.math.multiply_no_nan(g, tf.cast(factor, g.dtype)), v)
            for g, v in pairs
        ]
        tf.__internal__.distribute.interim.maybe_merge_call(
            self._distributed_tf_update_step,
            self._distribution_strategy,
            pairs,
            scalars,
        )

    def _judge(self, pairs: _Pairs) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns whether the step is applied, and by what to scale it."""
        halves = [tf.zeros([])] * len(self._trainable_variables)
        for gradient, variable in pairs:
            half = tf.nn.l2_loss(tf.cast(gradient, tf.float32))
            halves[self._get_variable_index(variable)] = half
        half_squares = tf.stack(halves)
        norm = tf.sqrt(2.0 * tf.reduce_sum(half_squares))
        limit = self._norm_limit()
        skips = tf.convert_to_tensor(self.consecutive_skips)
        accepted = tf.math.is_finite(norm) & (
            (norm <= limit) | (skips >= self.max_consecutive_skips)
        )
        target = limit
        if self.max_norm:
            target = tf.minimum(target, self.max_norm)
        factor = tf.where(norm > target, target * (1.0 / norm), 1.0)
        self._remember(accepted, norm, half_squares)
        return accepted, tf.where(accepted, factor, 0.0)

    def _norm_limit(self) -> tf.Tensor:
        """Returns the largest norm that is not skipped, infinity if any."""
        if not self.skip_factor:
            return tf.constant(float("inf"))
        norms = tf.sort(self.accepted_norms, direction="DESCENDING")
        known = tf.math.count_nonzero(norms)
        median = tf.gather(norms, known // 2)
        return tf.where(
            known >= _WINDOW // 2, self.skip_factor * median, float("inf")
        )

    def _remember(
        self, accepted: tf.Tensor, norm: tf.Tensor, half_squares: tf.Tensor
    ) -> None:
        skipped = tf.cast(~accepted, tf.int64)
        self.skipped_steps.assign_add(skipped)
        # 0 after a step that is applied, else one more.
        self.consecutive_skips.assign(skipped * (self.consecutive_skips + 1))
        self.nonfinite_counts.assign_add(
            tf.cast(~tf.math.is_finite(half_squares), tf.int64)
        )
        norms = tf.convert_to_tensor(self.accepted_norms)
        moved = tf.concat([norms[1:], norm[tf.newaxis]], axis=0)
        self.accepted_norms.assign(tf.where(accepted, moved, norms))

    def _apply_weight_decay(self, variables: Any) -> None:
        """Does nothing: `update_step` does it, a skipped step does not."""

    def _update_model_variables_moving_average(self, variables: Any) -> None:
        step = tf.cast(self.iterations - self.skipped_steps, tf.float32)
        momentum = tf.minimum(self.ema_momentum, (1.0 + step) / (10.0 + step))
        # The averages are zeros until then, which must not be averaged in.
        momentum = tf.where(step > 0, momentum, 0.0)
        applied = tf.convert_to_tensor(self.consecutive_skips) == 0
        if self.gradient_accumulation_steps:
            batches = tf.convert_to_tensor(self._iterations) + 1
            applied &= batches % self.gradient_accumulation_steps == 0
        rate = tf.where(applied, 1.0 - momentum, 0.0)
        averages = self._model_variables_moving_average
        for variable, average in zip(variables, averages, strict=True):
            tf.raw_ops.ResourceApplyGradientDescent(
                var=average.value.handle,
                alpha=tf.cast(rate, average.dtype),
                delta=average.value - variable.value,
            )

    def finalize_variable_values(self, var_list: Any) -> None:
        """Does nothing: who wants the averages takes them."""

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "max_norm": self.max_norm,
            "skip_factor": self.skip_factor,
            "max_consecutive_skips": self.max_consecutive_skips,
        }
