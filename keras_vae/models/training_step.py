"""The training step and the test step that every model of the package takes.

`fit`, the diagnosis of a step that went wrong and the benchmarks take the
training step from here, whole or up to where they need it.
"""

import dataclasses
import warnings
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_vae import seeds
from keras_vae.config import check_number
from keras_vae.global_batch import num_replicas, sharing, sum_over_replicas
from keras_vae.models.batch_parts import Part, parts_of
from keras_vae.objectives import Inference

__all__ = [
    "LossMean",
    "Pass",
    "TrainingLoss",
    "apply_gradients",
    "batches_seen",
    "skips_steps",
    "test_step",
    "train_step",
    "training_gradients",
    "training_loss",
]

# Beyond the end of any run, also of one whose length is not known yet.
_LAST_STEP = 2**62


class LossMean(keras.metrics.Mean):
    """A mean over images: NaN, where `keras.metrics.Mean` has 0, of none."""

    def result(self) -> tf.Tensor:
        return self.total / self.count


class Pass(NamedTuple):
    """A batch, or one of its parts, through a model.

    Attributes:
        inference: The pass.
        losses: Loss of each image, `[batch]`, without its weight.
        weight: Weight of each image, `[batch]`, or None.
    """

    inference: Inference
    losses: tf.Tensor
    weight: tf.Tensor | None


@dataclasses.dataclass(frozen=True)
class TrainingLoss:
    """What a replica minimises in a step, and what that is made of.

    Attributes:
        total: The replica's share of the loss of the step, a scalar. The sum
            over the replicas is that loss: the mean over all images, of all
            replicas, of weight times loss, and the regularization.
        passes: Its images, part by part.
        regularization: What training adds to the mean, a scalar.
    """

    total: tf.Tensor
    passes: list[Pass]
    regularization: tf.Tensor


def training_loss(
    model: Any, data: Any, step: tf.Tensor, batch_number: tf.Tensor
) -> TrainingLoss:
    """Returns the loss of a training step.

    Args:
        model: The model, a `GenerativeModel`.
        data: The replica's share of the batch, as `fit` takes it.
        step: Updates so far, for the schedules of the objective.
        batch_number: Batches so far; with `model.seed` and an image's position
            in the global batch it is the noise.
    """
    check_number("batch_parts", model.batch_parts, 1, whole=True)
    parts = _parts(model, data, batch_number, model.batch_parts)
    passes = [_infer(model, part, step, training=True) for part in parts]
    sums = [tf.reduce_sum(_weighted(one)) for one in passes]
    mean = tf.add_n(sums) / tf.cast(parts[0].total, tf.float32)
    regularization = tf.cast(model.regularization(step), tf.float32)
    return TrainingLoss(
        mean + regularization / num_replicas(), passes, regularization
    )


def training_gradients(
    model: Any, data: Any, step: tf.Tensor, batch_number: tf.Tensor
) -> tuple[TrainingLoss, list[Any]]:
    """Returns the loss of a step and its gradients, as the optimizer wants it.

    Where the optimizer scales the loss the gradients are scaled too. What is
    not trained has none.

    Args:
        model: The compiled model.
        data: As for `training_loss`.
        step: As for `training_loss`.
        batch_number: As for `training_loss`.
    """
    variables = [v.value for v in model.trainable_variables]
    with tf.GradientTape() as tape:
        loss = training_loss(model, data, step, batch_number)
        scaled = model.optimizer.scale_loss(loss.total)
    return loss, tape.gradient(scaled, variables)


def skips_steps(optimizer: Any) -> bool:
    """Whether an optimizer leaves out steps that are not finite.

    Such an optimizer says so, in `skips_steps`, and after a step whether it
    did, in `last_step_skipped`.
    """
    return getattr(optimizer, "skips_steps", False)


def _none_finite_unless(loss: tf.Tensor, gradients: list[Any]) -> list[Any]:
    """Returns the gradients, the first of them NaN unless the loss is finite.

    A loss can be NaN where its gradient is not. The optimizer judges a step
    by the sum of the gradients over the replicas, and so hears of the loss of
    each of them.
    """
    gradients = list(gradients)
    for index, gradient in enumerate(gradients):
        if gradient is not None:
            dense = tf.convert_to_tensor(gradient)
            nan = tf.constant(float("nan"), dense.dtype)
            finite = tf.math.is_finite(loss)
            gradients[index] = tf.where(finite, dense, nan)
            break
    return gradients


def apply_gradients(
    model: Any, loss: TrainingLoss, gradients: list[Any]
) -> tf.Tensor | None:
    """Takes the step; returns whether it was skipped, if that can be.

    Args:
        model: The compiled model.
        loss: What `training_gradients` returned.
        gradients: What `training_gradients` returned.
    """
    optimizer, variables = model.optimizer, model.trainable_variables
    if not variables:
        warnings.warn(
            "The model does not have any trainable weights.", stacklevel=2
        )
        return None
    can_skip = skips_steps(optimizer)
    if can_skip:
        gradients = _none_finite_unless(loss.total, gradients)
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return optimizer.last_step_skipped if can_skip else None


def train_step(model: Any, data: Any) -> None:
    """Takes a training step and adds it to the model's metrics.

    A step that the optimizer skipped is as if its batch had not been: the
    metrics leave it out and count it. All that was applied counts, NaN too.

    Of an update of several batches it is known only with the last of them that
    it is skipped: it counts as one, and the metrics leave out its last batch
    and those whose loss is not finite.
    """
    optimizer = model.optimizer
    loss, gradients = training_gradients(
        model, data, optimizer.iterations, batches_seen(optimizer)
    )
    skipped = apply_gradients(model, loss, gradients)
    left_out = skipped
    if skipped is not None:
        finite = tf.math.is_finite(sum_over_replicas(loss.total))
        left_out = skipped | ~finite
    for one in loss.passes:
        _update(model, one, left_out)
    if skipped is not None:
        # The metric sums over the replicas, which all skip the step.
        share = tf.cast(skipped, tf.float32) / num_replicas()
        model.skipped_steps.update_state(share)


def test_step(model: Any, data: Any) -> None:
    """Adds a batch to the model's metrics, as it is at the end of a run."""
    # Other noise for each batch, the same in every evaluation.
    count = sum_over_replicas(
        tf.convert_to_tensor(model.trackers["loss"].count)
    )
    position = tf.cast(count, tf.int32)
    # A validation loss must not depend on where a warm-up stands.
    step = tf.constant(_LAST_STEP, tf.int64)
    (part,) = _parts(model, data, position)
    _update(model, _infer(model, part, step))


def batches_seen(optimizer: Any) -> tf.Tensor:
    """Returns how many batches an optimizer has seen, int64.

    `iterations` counts updates, which may be of several batches.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return tf.convert_to_tensor(inner._iterations)


def _parts(
    model: Any, data: Any, number: tf.Tensor, count: int = 1
) -> list[Part]:
    """Returns a batch in parts; its number is that of its noise."""
    seed = seeds.fold_in(seeds.from_int(model.seed), number)
    # Each replica once had a seed, and one replica still has that of the first.
    seed = seeds.fold_in(seed, 0)
    batch = model.unpack_weighted(data)
    if num_replicas() == 1 or tf.executing_eagerly():
        return parts_of(batch, seed, count)
    return parts_of(batch, seed, count, compiled=model.jit_compile)


def _infer(
    model: Any, part: Part, step: tf.Tensor, training: bool = False
) -> Pass:
    """Returns the pass of a part of a batch."""
    image, condition, weight = part.batch
    if weight is not None and getattr(model.objective, "couples_images", False):
        raise ValueError(
            "`sample_weight` and `class_weight` weigh the loss of each image, "
            "and this objective looks at a batch as a whole (free_bits, "
            "balance or beta-TCVAE): leave them out. "
            f"Received: weights with {type(model.objective).__name__}"
        )
    with sharing(part.share):
        inference, losses = model.infer_losses(
            image, condition, part.seed, step, training
        )
    if losses.shape.rank == 0:
        losses = tf.broadcast_to(losses, [tf.shape(image)[0]])
    return Pass(inference, _first(losses, part.rows), _first(weight, part.rows))


def _first(value: tf.Tensor | None, rows: tf.Tensor) -> tf.Tensor | None:
    """Returns the first `rows` of a tensor `[..., batch]`."""
    return None if value is None else value[..., :rows]


def _weighted(one: Pass) -> tf.Tensor:
    if one.weight is None:
        return one.losses
    return one.weight * one.losses


def _update(model: Any, one: Pass, left_out: tf.Tensor | None = None) -> None:
    """Adds a pass to the metrics, unless it is to be left out.

    Args:
        model: The model.
        one: The pass.
        left_out: Whether it is, a scalar; None where no step can be skipped.
    """
    rows = tf.shape(one.losses)[0]
    values = {"loss": _weighted(one), **model.metric_values(one.inference)}
    for name, tracker in model.trackers.items():
        # As in Keras: the loss is a mean over images, also of weights of 0.
        value, weight = values[name], None if name == "loss" else one.weight
        if value.shape.rank == 2:  # Several draws for each image.
            value = tf.reduce_mean(value, axis=0)
        if name != "loss":
            value = _first(value, rows)
        if left_out is not None:
            kept = tf.fill([rows], tf.cast(~left_out, tf.float32))
            value = tf.math.multiply_no_nan(value, kept)
            weight = kept if weight is None else kept * weight
        tracker.update_state(value, sample_weight=weight)
