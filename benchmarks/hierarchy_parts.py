"""The parts of the hierarchical model's training step, timed by themselves.

`benchmarks/hierarchy_speed.py` runs these in processes of their own.
"""

import collections
import dataclasses
import math
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from keras_vae.config import HierarchicalConfig
from keras_vae.models.training_step import (
    apply_gradients,
    training_gradients,
    training_loss,
)
from keras_vae.training.state import TrainingState, make_state

__all__ = [
    "Convolution",
    "config",
    "convolutions",
    "find_convolutions",
    "make",
    "make_step",
    "parts",
]

_SHAPE = (28, 28, 1)
# One draw all along: the default has more in the last steps of a run.
_SETTINGS = {"objective": "elbo"}
_STAGES = ("forward", "backward", "update")
_COPIES = 4


def config(case: dict[str, Any]) -> HierarchicalConfig:
    """Returns the model of a case: the default but for its `settings`."""
    return HierarchicalConfig(**{**_SETTINGS, **case.get("settings", {})})


def make(case: dict[str, Any], **changes: Any) -> TrainingState:
    """Makes model and optimizer as the trainer does.

    Args:
        case: `precision`, and perhaps `settings` of the model and `parts` of a
            batch.
        **changes: Further settings.
    """
    state = make_state(
        dataclasses.replace(config(case), **changes),
        _SHAPE,
        likelihood="bernoulli",
        total_steps=10_000,
        seed=0,
        precision=case["precision"],
    )
    state.model.batch_parts = case.get("parts", 1)
    return state


def make_step(state: TrainingState, stage: str) -> Callable[..., Any]:
    """Returns a training step without its metrics, up to a stage.

    Args:
        state: Model and optimizer.
        stage: `forward`, `backward` or `update`.

    Returns:
        step: Takes images `[batch, height, width, channels]`.
    """
    if stage not in _STAGES:
        raise ValueError(
            f"`stage` must be one of {_STAGES}. Received: stage={stage!r}"
        )
    model = state.model
    # Model and optimizer are one in the step.
    model.compile(optimizer=state.optimizer, jit_compile=False)

    def step(image: tf.Tensor) -> Any:
        index = state.optimizer.iterations
        if stage == "forward":
            return training_loss(model, image, index, index).total
        loss, gradients = training_gradients(model, image, index, index)
        if stage == "backward":
            return gradients
        apply_gradients(model, loss, gradients)
        return loss.total

    return step


def parts(case: dict[str, Any]) -> dict[str, float]:
    """Times the step with its parts added one after the other.

    Args:
        case: As for `make`, and `repeats`.

    Returns:
        Name of what was added last -> median seconds of a step.
    """
    state, plain = make(case), make(case, ema_momentum=0.0)
    state.model.compile(optimizer=state.optimizer, jit_compile=False)
    steps = {
        "the forward pass and the loss": make_step(state, "forward"),
        "the gradient": make_step(state, "backward"),
        "the optimizer, without averages": make_step(plain, "update"),
        "averaged weights": make_step(state, "update"),
        "metrics: the model's `train_step`": state.model.train_step,
    }
    shape = (config(case).batch_size, *_SHAPE)
    image = tf.cast(tf.random.stateless_uniform(shape, (0, 0)) < 0.2, "float32")
    functions = {
        name: _function(step).get_concrete_function(image)
        for name, step in steps.items()
    }
    return _median_seconds(functions, (image,), case["repeats"])


def _function(step: Callable[..., Any]) -> Any:
    """Without AutoGraph, as in Keras."""
    return tf.function(step, autograph=False, jit_compile=False)


def _median_seconds(
    functions: dict[Any, Callable[..., Any]],
    arguments: tuple[Any, ...],
    repeats: int,
) -> dict[Any, float]:
    """Calls the functions in turn, so that a slow moment slows all."""
    seconds: dict[Any, list[float]] = collections.defaultdict(list)
    for round_number in range(repeats + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function(*arguments)
            if round_number:  # The first one warms up.
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


class Convolution(NamedTuple):
    """A convolution of the graph, or a product with a matrix of weights.

    Attributes:
        input: `(batch, height, width, channels)`; of a product `(rows,
            channels)`.
        filter: `(height, width, channels, filters)`, or `(channels, filters)`.
        output: As `input`.
        stride: In both directions.
        padding: `SAME` or `VALID`.
        dtype: Name of a TensorFlow type.
    """

    input: tuple[int, ...]
    filter: tuple[int, ...]
    output: tuple[int, ...]
    stride: int
    padding: str
    dtype: str

    @property
    def flops(self) -> int:
        """Of one pass, two for a multiplication and an addition."""
        return 2 * math.prod(self.output) * math.prod(self.filter[:-1])


def find_convolutions(
    graph: Any,
) -> dict[Convolution, tuple[int, int, int]]:
    """Returns how often a graph runs each convolution and product.

    Args:
        graph: Of a `ConcreteFunction`.

    Returns:
        Convolution -> number of forward passes, of gradients of the filter and
        of gradients of the input: what reads the image has none of these.
    """
    operations = collections.defaultdict(list)
    for operation in _needed(graph):
        operations[operation.type].append(operation)
    forward = collections.Counter(
        Convolution(
            tuple(op.inputs[0].shape),
            tuple(op.inputs[1].shape),
            tuple(op.outputs[0].shape),
            op.get_attr("strides")[1],
            op.get_attr("padding").decode(),
            op.inputs[0].dtype.name,
        )
        for op in operations["Conv2D"]
    )
    inputs = collections.Counter(
        (tuple(op.inputs[1].shape), tuple(op.inputs[2].shape))
        for op in operations["Conv2DBackpropInput"]
    )
    backward = len(operations["Conv2DBackpropFilter"])
    if backward not in (0, sum(forward.values())):
        raise ValueError(
            "Each convolution must have a gradient, or none. Received: "
            f"{sum(forward.values())} convolutions, {backward} gradients."
        )
    return {
        conv: (
            count,
            count if backward else 0,
            min(count, inputs[conv.filter, conv.output]),
        )
        for conv, count in forward.items()
    } | _find_products(operations["MatMul"])


def _find_products(
    operations: list[tf.Operation],
) -> dict[Convolution, tuple[int, int, int]]:
    """The same for products: X W, X^T dY and dY W^T."""
    counts: dict[Convolution, list[int]] = collections.defaultdict(
        lambda: [0, 0, 0]
    )
    for op in operations:
        left, right = (tuple(tensor.shape) for tensor in op.inputs)
        out = tuple(op.outputs[0].shape)
        if op.get_attr("transpose_a"):
            kind, shapes = 1, (left, out, right)
        elif op.get_attr("transpose_b"):
            kind, shapes = 2, (out, right, left)
        else:
            kind, shapes = 0, (left, right, out)
        dtype = op.inputs[0].dtype.name
        counts[Convolution(*shapes, 1, "VALID", dtype)][kind] += 1
    return {product: (n, m, k) for product, (n, m, k) in counts.items()}


def _needed(graph: Any) -> list[tf.Operation]:
    """Returns what the outputs of a function need; the rest never runs."""
    found: set[tf.Operation] = set()
    left = [*graph.control_outputs, *(tensor.op for tensor in graph.outputs)]
    while left:
        operation = left.pop()
        if operation not in found:
            found.add(operation)
            left += operation.control_inputs
            left += [tensor.op for tensor in operation.inputs]
    return [op for op in graph.get_operations() if op in found]


def convolutions(case: dict[str, Any]) -> dict[str, Any]:
    """Times the convolutions and products of a training step by themselves.

    Those of the parts of a batch run side by side, as in the step.

    Returns:
        `seconds` and `flops` of all of them, one after the other, and
        `shapes`, the same for each distinct one with all its occurrences,
        its `input` and `filter`, those of a part, and its `count` in one.
    """
    count = case.get("parts", 1)
    state = make({**case, "parts": 1})
    step = _function(make_step(state, "backward"))
    batch = config(case).batch_size // count
    graph = step.get_concrete_function(tf.TensorSpec([batch, *_SHAPE])).graph
    shapes = []
    for conv, counts in find_convolutions(graph).items():
        seconds = _convolution_seconds(conv, case["repeats"], count)
        shapes.append(
            {
                "input": conv.input,
                "filter": conv.filter,
                "count": counts[0],
                "seconds": sum(n * s for n, s in zip(counts, seconds)),
                "flops": count * sum(counts) * conv.flops,
            }
        )
    return {
        "seconds": sum(shape["seconds"] for shape in shapes),
        "flops": sum(shape["flops"] for shape in shapes),
        "shapes": shapes,
    }


def _convolution_seconds(
    conv: Convolution, repeats: int, parts: int
) -> list[float]:
    """Returns seconds of forward, filter's gradient, input's gradient.

    Args:
        conv: The convolution.
        repeats: Measurements of each.
        parts: So many of it run side by side.
    """
    dtype = tf.as_dtype(conv.dtype)
    x, w, y = (
        [
            tf.cast(tf.random.stateless_normal(shape, (index, i)), dtype)
            for index in range(_COPIES * parts)
        ]
        for i, shape in enumerate((conv.input, conv.filter, conv.output))
    )
    passes = _products(x, w, y)
    if len(conv.filter) == 4:
        passes = _convolutions(conv, x, w, y)
    functions = {name: _chains(one, parts) for name, one in passes.items()}
    seconds = _median_seconds(functions, (), repeats)
    return [seconds[name] / _COPIES for name in passes]


def _products(
    x: list[tf.Tensor], w: list[tf.Tensor], y: list[tf.Tensor]
) -> dict[str, Callable[[int], tf.Tensor]]:
    """Returns the three passes of a product, of the copy with an index."""
    return {
        "forward": lambda i: tf.matmul(x[i], w[i]),
        "filter": lambda i: tf.matmul(x[i], y[i], transpose_a=True),
        "input": lambda i: tf.matmul(y[i], w[i], transpose_b=True),
    }


def _convolutions(
    conv: Convolution,
    x: list[tf.Tensor],
    w: list[tf.Tensor],
    y: list[tf.Tensor],
) -> dict[str, Callable[[int], tf.Tensor]]:
    """The same for a convolution."""
    options = {
        "strides": [1, conv.stride, conv.stride, 1],
        "padding": conv.padding,
    }
    return {
        "forward": lambda i: tf.raw_ops.Conv2D(
            input=x[i], filter=w[i], **options
        ),
        "filter": lambda i: tf.raw_ops.Conv2DBackpropFilter(
            input=x[i],
            filter_sizes=conv.filter,
            out_backprop=y[i],
            **options,
        ),
        "input": lambda i: tf.raw_ops.Conv2DBackpropInput(
            input_sizes=conv.input, filter=w[i], out_backprop=y[i], **options
        ),
    }


def _chains(one: Callable[[int], tf.Tensor], parts: int) -> Callable[[], Any]:
    """Runs `one` on each of the copies, as many chains of them as `parts`.

    In a chain they follow each other, with other data each time, so that
    nothing is computed once for all or stays in the cache.
    """

    @_function
    def chains() -> list[tf.Tensor]:
        outputs: list[tf.Tensor] = []
        for start in range(0, _COPIES * parts, _COPIES):
            last: list[tf.Tensor] = []
            for index in range(start, start + _COPIES):
                with tf.control_dependencies(last):
                    last = [one(index)]
                outputs += last
        return outputs

    return chains.get_concrete_function()
