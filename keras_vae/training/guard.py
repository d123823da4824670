"""An optimizer that guards another one: clipping, averages, survival.

It replaces the public `apply` of Keras's optimizers, and no private method. Of
what is private it reads, of itself, `_iterations`, `_trainable_variables`,
`_get_variable_index`, `_accumulated_gradients` and
`_model_variables_moving_average`; and of the optimizer within `_learning_rate`
and `_use_weight_decay`.
"""

import functools
import warnings
from typing import Any

import keras
import tensorflow as tf

from keras_vae.training.averages import update_averages
from keras_vae.training.gradient_norms import WINDOW, norm_limit
from keras_vae.training.guard_checks import (
    check_accumulation,
    check_inner,
    check_settings,
)

__all__ = ["Guard"]

_SETTINGS = (
    "max_norm",
    "skip_factor",
    "max_consecutive_skips",
    "use_ema",
    "ema_momentum",
    "gradient_accumulation_steps",
)


@keras.saving.register_keras_serializable(package="keras_vae")
class Guard(keras.optimizers.Optimizer):
    """Makes an optimizer of Keras survive a bad step, with three differences.

    The gradient's global norm is clipped after the sum over replicas, so that
    two replicas take the step that one would take with the same global batch
    (Keras clips each replica's share); the average of the weights (`use_ema`)
    has the momentum `min(ema_momentum, (1 + t) / (10 + t))` at update t, so
    that it forgets the first weights in short runs too, and starts as the
    weights of the first update; and the end of `fit` leaves the weights as
    they were trained, where Keras overwrites them with their averages.

    A step whose gradient is not finite changes no weight, moment or average,
    on any replica: it is as if its batch had not been, but that `iterations`
    counts it, because the order of the data and the schedules depend on it;
    `inner.iterations` does not. With `skip_factor`, so is a step whose norm
    exceeds that multiple of the median of the last 64 norms: a threshold that
    follows the run. Where the gradient has become larger for good, such a
    threshold alone would skip every step from then on; so after
    `max_consecutive_skips` skipped steps one is applied, clipped to the
    threshold, and its norm enters the median.

    Args:
        inner: The optimizer, or its name. It is one that consists of `build`
            and `update_step`, as all of Keras do but `LossScaleOptimizer`,
            `MultiOptimizer` and `Nadam`, and has the `weight_decay` of Keras's
            base class, or none.
        max_norm: Largest global norm of the gradient; 0 turns clipping off.
        skip_factor: Steps with a norm above this multiple of the running
            median are skipped, above 1; 0 turns that off.
        max_consecutive_skips: So many steps in a row are skipped at most for
            the size of their gradient.
        use_ema: Whether to keep averages of the weights.
        ema_momentum: Their largest momentum, in [0, 1].
        gradient_accumulation_steps: Batches of an update, on one replica; None
            is one.
        name: As in Keras.

    Attributes:
        inner: The optimizer.
        skipped_steps: Steps so far that changed nothing, int64.
        consecutive_skips: The last so many steps did, int64.
        nonfinite_counts: In how many steps the gradient of each variable was
            not finite, int64 `[num_variables]`.
        accepted_norms: The last norms before clipping, of the steps that were
            applied, the newest last, 0 where there are none yet, `[64]`.

    Raises:
        ValueError: If an argument is not as said above, or `inner` has an
            option that is the guard's, such as `clipnorm`.

    Example:
        >>> optimizer = Guard(keras.optimizers.Lion(1e-4), max_norm=200.0)
        >>> model.compile(optimizer=optimizer)

    References:
        Child (2021), Very Deep VAEs (which skips large gradients).
    """

    def __init__(
        self,
        inner: Any,
        *,
        max_norm: float = 0.0,
        skip_factor: float = 0.0,
        max_consecutive_skips: int = 10,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
    ):
        inner = keras.optimizers.get(inner)
        check_inner(inner)
        super().__init__(
            lambda: self.learning_rate,
            use_ema=use_ema,
            ema_momentum=ema_momentum,
            gradient_accumulation_steps=gradient_accumulation_steps,
            name=name,
        )
        check_settings(max_norm, skip_factor, max_consecutive_skips)
        self.inner = inner
        self.max_norm = max_norm
        self.skip_factor = skip_factor
        self.max_consecutive_skips = max_consecutive_skips

    # What the training step and the trainer ask for.

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

    @property
    def averages(self) -> list[keras.Variable]:
        """The averages of the variables, in their order; needs `use_ema`."""
        return self._model_variables_moving_average

    # What Keras calls.

    @property
    def learning_rate(self) -> Any:
        """That of `inner`; a schedule is at the step of the guard."""
        rate = self.inner._learning_rate
        if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            return rate(self._iterations)
        return self.inner.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        self.inner.learning_rate = learning_rate

    @property
    def variables(self) -> list[keras.Variable]:
        return [*super().variables, *self.inner.variables]

    def build(self, variables: list[Any]) -> None:
        if self.built:
            return
        check_accumulation(self.gradient_accumulation_steps)
        super().build(variables)
        self.inner.build(variables)
        self.skipped_steps = self._counter((), "skipped_steps")
        self.consecutive_skips = self._counter((), "consecutive_skips")
        self.nonfinite_counts = self._counter(
            (len(variables),), "nonfinite_counts"
        )
        self.accepted_norms = self.add_variable(
            (WINDOW,), dtype="float32", name="accepted_norms"
        )

    def _counter(self, shape: tuple[int, ...], name: str) -> keras.Variable:
        # Without aggregation: each replica writes its own copy, the same.
        return self.add_variable(shape, dtype="int64", name=name)

    def exclude_from_weight_decay(
        self, var_list: Any = None, var_names: Any = None
    ) -> None:
        self.inner.exclude_from_weight_decay(var_list, var_names)

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Takes a step, unless it is to be skipped; in a replica context.

        Args:
            grads: The replica's share of the gradient, a tensor or None for
                each variable.
            trainable_variables: The variables; None are all.
        """
        if trainable_variables is None:
            trainable_variables = self._trainable_variables
        variables = list(trainable_variables)
        self.build(variables)
        pairs = list(zip(grads, variables, strict=True))
        missing = [v.path for gradient, v in pairs if gradient is None]
        if missing:
            warnings.warn(f"These have no gradient: {missing}.", stacklevel=2)
        pairs = [pair for pair in pairs if pair[0] is not None]
        gradients = [tf.convert_to_tensor(gradient) for gradient, _ in pairs]
        variables = [variable for _, variable in pairs]
        if self.gradient_accumulation_steps:
            self._accumulate(gradients, variables)
        else:
            self._update(gradients, variables)
        for variable in variables:
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))
        self._iterations.assign_add(1)

    def finalize_variable_values(self, var_list: Any) -> None:
        """Does nothing: who wants the averages takes them."""

    # A step.

    def _accumulate(self, gradients: list[Any], variables: list[Any]) -> None:
        count = self.gradient_accumulation_steps
        sums = [
            self._accumulated_gradients[self._get_variable_index(v)].value
            for v in variables
        ]

        def add() -> None:
            for total, gradient in zip(sums, gradients, strict=True):
                total.assign_add(gradient)

        def update() -> None:
            pairs = zip(sums, gradients, strict=True)
            self._update([(t + g) / count for t, g in pairs], variables)
            for total in sums:
                total.assign(tf.zeros_like(total))

        batches = tf.convert_to_tensor(self._iterations) + 1
        tf.cond(batches % count == 0, update, add)

    def _update(self, gradients: list[Any], variables: list[Any]) -> None:
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            gradients = context.all_reduce(
                tf.distribute.ReduceOp.SUM, gradients
            )
        # Every replica judges the same sum, and so judges alike.
        accepted, factor = self._judge(gradients, variables)
        rate = tf.cast(self.learning_rate, tf.float32)

        def step(strategy: Any, accepted: Any, *given: Any) -> None:
            accepted, *_ = strategy.experimental_local_results(accepted)
            take = functools.partial(self._take, strategy, variables, *given)
            tf.cond(accepted, take, lambda: None)

        tf.__internal__.distribute.interim.maybe_merge_call(
            step,
            tf.distribute.get_strategy(),
            accepted,
            gradients,
            factor,
            rate,
        )

    def _judge(
        self, gradients: list[Any], variables: list[Any]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns whether the step is applied, and by what to scale it."""
        halves = [tf.zeros([])] * len(self._trainable_variables)
        for gradient, variable in zip(gradients, variables, strict=True):
            half = tf.nn.l2_loss(tf.cast(gradient, tf.float32))
            halves[self._get_variable_index(variable)] = half
        half_squares = tf.stack(halves)
        norm = tf.sqrt(2.0 * tf.reduce_sum(half_squares))
        limit = norm_limit(self.accepted_norms, self.skip_factor)
        skips = tf.convert_to_tensor(self.consecutive_skips)
        accepted = tf.math.is_finite(norm) & (
            (norm <= limit) | (skips >= self.max_consecutive_skips)
        )
        target = limit
        if self.max_norm:
            target = tf.minimum(target, self.max_norm)
        factor = tf.where(norm > target, target * (1.0 / norm), 1.0)
        self._remember(accepted, norm, half_squares)
        return accepted, factor

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

    def _take(
        self, strategy: Any, variables: list[Any], gradients: Any, *given: Any
    ) -> None:
        """Updates all variables, on all replicas."""

        def update(
            variable: Any, gradient: Any, factor: Any, rate: Any
        ) -> None:
            if self.max_norm or self.skip_factor:
                gradient = gradient * tf.cast(factor, gradient.dtype)
            decay = self.inner.weight_decay
            if decay and self.inner._use_weight_decay(variable):
                scale = tf.cast(decay * rate, variable.dtype)
                variable.assign_sub(scale * variable)
            self.inner.update_step(gradient, variable, rate)

        for variable, gradient in zip(variables, gradients, strict=True):
            strategy.extended.update(
                variable.value, update, args=(gradient, *given), group=False
            )
        if self.use_ema:
            update_averages(
                strategy,
                self.averages,
                self._trainable_variables,
                self.ema_momentum,
                self.inner.iterations,
            )
        self.inner.iterations.assign_add(1)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "inner": keras.saving.serialize_keras_object(self.inner),
            **{name: getattr(self, name) for name in _SETTINGS},
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> "Guard":
        inner = keras.saving.deserialize_keras_object(
            config["inner"], custom_objects=custom_objects
        )
        return cls(**{**config, "inner": inner})
