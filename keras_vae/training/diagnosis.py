"""What was not finite in a training step, found by computing it again."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_vae.models import GenerativeModel
from keras_vae.models.training_step import training_gradients
from keras_vae.networks.nvae import BatchNormalization
from keras_vae.objectives import Inference

__all__ = ["diagnose", "name_some"]

_NAMED = 3


def name_some(names: Sequence[str], things: str) -> str:
    """Returns "a, b, c and 4 more variables" of many `things`."""
    text = ", ".join(names[:_NAMED])
    if len(names) > _NAMED:
        text += f" and {len(names) - _NAMED} more {things}"
    return text


def diagnose(model: GenerativeModel, batch: Any, step: int) -> str:
    """Computes a training step again and says what is not finite in it.

    Order and noise are functions of seed and step, and a step that was
    skipped has changed no weight: run eagerly this is the same step. It
    changes nothing in the model.

    Args:
        model: The compiled model, as the step left it.
        batch: Its batch over all replicas: images `[batch, height, width,
            channels]`, of a conditional model with their classes.
        step: Its number, from 0 on.

    Returns:
        Three lines at most: the terms of the loss and the latent groups, the
        top group being number 1; the first layer whose output is not finite;
        the variables whose gradient is not.
    """
    kept = [(v, v.numpy()) for v in model.non_trainable_variables]
    try:
        with _watched_layers(model) as layers:
            replicas = _replay(model, batch, tf.constant(step, tf.int64))
    finally:
        # A step in training moves batch statistics and the like.
        for variable, value in kept:
            variable.assign(value)
    terms = [name for name in replicas[0][0] if _bad(name, replicas)]
    paths = [
        variable.path
        for index, variable in enumerate(model.trainable_variables)
        if any(gradients[index] for _, gradients in replicas)
    ]
    if not (terms or layers or paths):
        return f"Computed again without compilation, step {step} is finite."
    lines = [
        f"In step {step} not finite are: {', '.join(terms) or 'no terms'}."
    ]
    if layers:
        lines.append(f"First so is the output of layer {layers[0]}.")
    if paths:
        count, total = len(paths), len(model.trainable_variables)
        lines.append(
            f"So are the gradients of {count} of {total} variables: "
            f"{name_some(paths, 'variables')}."
        )
    return "\n".join(lines)


_Replica = tuple[dict[str, bool], list[bool]]


def _bad(name: str, replicas: Sequence[_Replica]) -> bool:
    return any(terms[name] for terms, _ in replicas)


def _replay(
    model: GenerativeModel, batch: Any, step: tf.Tensor
) -> list[_Replica]:
    """Returns, for each replica, which terms and gradients are not finite."""
    strategy = model.distribute_strategy
    count = strategy.num_replicas_in_sync
    if count == 1:
        return [_replay_replica(model, batch, step)]
    parts = [tf.split(part, count) for part in tf.nest.flatten(batch)]
    shares = [
        tf.nest.pack_sequence_as(batch, share)
        for share in zip(*parts, strict=True)
    ]

    def share(context: Any) -> Any:
        return shares[context.replica_id_in_sync_group]

    results: dict[int, _Replica] = {}

    def run(share: Any) -> None:
        context = tf.distribute.get_replica_context()
        index = int(context.replica_id_in_sync_group)
        results[index] = _replay_replica(model, share, step)

    values = strategy.experimental_distribute_values_from_function(share)
    strategy.run(run, args=(values,))
    return [results[index] for index in sorted(results)]


def _replay_replica(
    model: GenerativeModel, batch: Any, step: tf.Tensor
) -> _Replica:
    loss, found_gradients = training_gradients(model, batch, step, step)
    gradients = [_not_finite(g) for g in found_gradients]
    found: dict[str, bool] = {}
    for inference, losses, _ in loss.passes:
        values = {"the images": inference.image, **_terms(model, inference)}
        values["the regularisation"] = loss.regularization
        values["the loss"] = losses
        for name, value in values.items():
            found[name] = found.get(name, False) or _not_finite(value)
    return found, gradients


def _terms(model: GenerativeModel, inference: Inference) -> dict[str, Any]:
    count = len(inference.groups)
    if not count:
        return {
            f"the {name.replace('_', ' ')}": value
            for name, value in model.metric_values(inference).items()
        }
    return {
        "the log-likelihood": inference.log_likelihood,
        **{
            f"the KL of latent group {index} of {count}": group.kl_divergence
            for index, group in enumerate(inference.groups, start=1)
        },
    }


def _not_finite(value: Any) -> bool:
    """Whether a floating-point tensor holds NaN or infinity."""
    if isinstance(value, tf.IndexedSlices):
        value = value.values
    if not tf.is_tensor(value) or not value.dtype.is_floating:
        return False
    return not bool(tf.reduce_all(tf.math.is_finite(value)))


@contextlib.contextmanager
def _watched_layers(model: keras.Model) -> Iterator[list[str]]:
    """Yields a list of the layers whose output was not finite, in order.

    Inner layers come before those that they are part of.
    """
    found: list[str] = []
    watched = []

    def watch(layer: keras.layers.Layer, name: str) -> None:
        call = getattr(layer, name)

        def watched_call(*args: Any, **kwargs: Any) -> Any:
            output = call(*args, **kwargs)
            if any(_not_finite(x) for x in tf.nest.flatten(output)):
                found.append(layer.path)
            return output

        # The instance's, before the class's; Keras need not know of it.
        layer.__dict__[name] = watched_call
        watched.append((layer, name))

    try:
        for layer in model._flatten_layers(include_self=False):
            # NVAE's cells do not call their normalisation as a whole.
            is_norm = isinstance(layer, BatchNormalization)
            name = "normalize" if is_norm else "call"
            if name not in layer.__dict__:
                watch(layer, name)
        yield found
    finally:
        for layer, name in watched:
            del layer.__dict__[name]
