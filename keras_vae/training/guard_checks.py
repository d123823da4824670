"""What a guard takes: the optimizer within, and its own settings."""

import keras
import tensorflow as tf

__all__ = ["check_accumulation", "check_inner", "check_settings"]

# What the guard does itself. An optimizer that does one of these in a way of
# its own is more than its `update_step`.
_STEPS = (
    "apply",
    "apply_gradients",
    "_backend_apply_gradients",
    "_backend_update_step",
)
_OPTIONS = (
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "gradient_accumulation_steps",
    "loss_scale_factor",
    "use_ema",
)


def check_inner(inner: keras.optimizers.Optimizer) -> None:
    """Raises a ValueError if an optimizer does what a guard does.

    Those are methods of its own for what the guard takes over, options that
    are the guard's, and a weight decay other than that of Keras's base class.
    """
    kind, base = type(inner), keras.optimizers.Optimizer
    own = [n for n in _STEPS if getattr(kind, n) is not getattr(base, n)]
    if own:
        raise ValueError(
            "`inner` must consist of `build` and `update_step`. Received: "
            f"inner={kind.__name__}, which has a `{own[0]}` of its own"
        )
    for name in _OPTIONS:
        value = getattr(inner, name)
        if value:
            raise ValueError(
                f"`inner` must leave `{name}` at its default: the guard clips, "
                "averages and accumulates, and `LossScale` scales the loss. "
                f"Received: {kind.__name__}({name}={value})"
            )
    decay = "_apply_weight_decay"
    if getattr(kind, decay) is not getattr(base, decay):
        config = inner.get_config()
        for name in (n for n in config if n.endswith("weight_decay")):
            if config[name]:
                raise ValueError(
                    f"`inner` must have no `{name}`, which it applies in a way "
                    "of its own: set it to 0. "
                    f"Received: {kind.__name__}({name}={config[name]})"
                )


def check_settings(
    max_norm: float, skip_factor: float, max_consecutive_skips: int
) -> None:
    """Raises a ValueError that names the first setting that cannot be."""
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


def check_accumulation(num_batches: int | None) -> None:
    """Raises a ValueError if several replicas are to add up gradients."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if num_batches and replicas > 1:
        raise ValueError(
            "`gradient_accumulation_steps` must be None on several replicas, "
            "on which gradients are not added up: use larger batches or one "
            f"replica. Received: gradient_accumulation_steps={num_batches} on "
            f"{replicas} replicas"
        )
